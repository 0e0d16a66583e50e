"""Background tasks that are watched: one that fails, or finishes by itself, is a fault."""

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self

import structlog

log = structlog.get_logger()


class BackgroundTasks:
    """The named tasks of a service that are to run as long as it does.

    Leaving the block cancels them, last started first, and waits for each. `fault` is done as soon
    as one of them ends without having been cancelled: the service should then end too, since a
    service with a dead loop looks alive and does nothing.
    """

    def __init__(self, above: "BackgroundTasks | None" = None) -> None:
        """Make an empty set; a fault in it is one of `above`, too."""
        self._above = above
        self._tasks: list[asyncio.Task[None]] = []
        self.fault: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def start(
        self, name: str, work: Coroutine[Any, Any, None], *, may_finish: bool = False
    ) -> None:
        """Run `work` until the block is left, or until its end if it may have one."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._finished if may_finish else self._ended)
        self._tasks.append(task)

    async def stop(self) -> None:
        """Cancel all tasks and wait until they are gone. Idempotent."""
        while self._tasks:
            task = self._tasks.pop()
            task.cancel()
            await asyncio.wait([task])

    def _finished(self, task: asyncio.Task[None]) -> None:
        if task in self._tasks:
            self._tasks.remove(task)
        if not task.cancelled() and task.exception():
            self._ended(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        error = task.exception()
        reason = f"task '{task.get_name()}' " + (f"failed: {error!r}" if error else "finished")
        log.error("background task ended", task=task.get_name(), exc_info=error)
        self._report(reason)

    def _report(self, reason: str) -> None:
        if not self.fault.done():
            self.fault.set_result(reason)
        if self._above:
            self._above._report(reason)  # noqa: SLF001 - of its own kind

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()
