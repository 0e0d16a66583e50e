"""Work in order for each key, side by side for different ones."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from types import TracebackType
from typing import Generic, Self, TypeVar

import structlog

log = structlog.get_logger()

T = TypeVar("T")

# Items that wait in a lane before the one who brings more must wait, too.
_WAITING = 64


class SerialLanes(Generic[T]):
    """A fixed number of workers; all items of a key go to the same one, in order of arrival.

    An item that fails is logged and forgotten: it must not keep those behind it from being heard.
    """

    def __init__(self, name: str, lanes: int, work: Callable[[T], Awaitable[None]]) -> None:
        self._name = name
        self._work = work
        self._queues: list[asyncio.Queue[T]] = [asyncio.Queue(_WAITING) for _ in range(lanes)]
        self._tasks: list[asyncio.Task[None]] = []

    async def put(self, key: Hashable, item: T) -> None:
        """Add an item, waiting while its lane is full."""
        await self._queues[hash(key) % len(self._queues)].put(item)

    async def _serve(self, queue: asyncio.Queue[T]) -> None:
        while True:
            item = await queue.get()
            try:
                await self._work(item)
            except Exception:
                log.exception("item failed", lanes=self._name)

    async def __aenter__(self) -> Self:
        self._tasks = [
            asyncio.create_task(self._serve(queue), name=f"{self._name} lane {number}")
            for number, queue in enumerate(self._queues)
        ]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
