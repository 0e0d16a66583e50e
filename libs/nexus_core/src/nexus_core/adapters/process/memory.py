"""Watching that pods keep to their memory limits."""

import asyncio
from datetime import timedelta
from typing import NamedTuple

from nexus_core.adapters.process import sessions
from nexus_core.adapters.process.executor import Executor


class _Watched(NamedTuple):
    session: int
    limit: int
    exceeded: asyncio.Future[None]


class MemoryWatch:
    """Looks at the memory of the pods that have a limit; sleeps while there are none.

    It sleeps real time, not the clock's: processes fill their memory in real time.
    """

    def __init__(self, executor: Executor, sample: timedelta) -> None:
        self._executor = executor
        self._sample = sample
        self._watched: dict[asyncio.Future[None], _Watched] = {}
        self._any = asyncio.Event()

    def watch(self, session: int, limit: int | None) -> asyncio.Future[None]:
        """Return a future that is done when a session holds more than `limit` bytes.

        Cancel it to end the watch. Without a limit it is never done.
        """
        exceeded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if limit is not None:
            self._watched[exceeded] = _Watched(session, limit, exceeded)
            exceeded.add_done_callback(self._forget)
            self._any.set()
        return exceeded

    async def run(self) -> None:
        """Watch; for ever, until cancelled."""
        while True:
            await self._any.wait()
            await asyncio.sleep(self._sample.total_seconds())
            watched = tuple(self._watched.values())
            for over in await self._executor.run(_over_limit, watched):
                if not over.exceeded.done():
                    over.exceeded.set_result(None)

    def _forget(self, exceeded: asyncio.Future[None]) -> None:
        self._watched.pop(exceeded, None)
        if not self._watched:
            self._any.clear()


def _over_limit(watched: tuple[_Watched, ...]) -> list[_Watched]:
    """Return those who hold more than they may."""
    members = sessions.members(one.session for one in watched)
    return [
        one for one in watched if sessions.memory_used(members[one.session], one.limit) > one.limit
    ]
