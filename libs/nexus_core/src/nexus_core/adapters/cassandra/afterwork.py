"""Work that nobody waits for, and that may be lost with the process."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

from nexus_core.domain.errors import UnavailableError

log = structlog.get_logger()

_AT_ONCE = 256
"""Pieces under way. What comes on top is left undone: its readers find out for themselves."""

_TIME_TO_END = 5.0
"""Seconds that a service which ends waits for what is under way."""


class Afterwork:
    """Does small pieces of work in the background; each is bounded by the session's patience."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def do(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Begin a piece of work, unless too many are under way."""
        if len(self._tasks) >= _AT_ONCE:
            work.close()
            return
        task = asyncio.create_task(_quietly(work), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settle(self) -> None:
        """Wait until all that is under way has ended."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        """Let what is under way end, for a while; cancel the rest."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=_TIME_TO_END)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)


async def _quietly(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except UnavailableError as error:
        log.debug("lookup rows left behind", error=str(error))
