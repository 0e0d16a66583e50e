"""Many small writes that wait at the same time, served in few trips to worker threads."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from nexus_core.adapters.folder.placements import Placement
from nexus_core.adapters.folder.threads import Threads

# While one group waits for the disk the next one is written. Measured with 64 callers of 1 KiB:
# more lanes only make the groups smaller, and a sync costs much the same for any size.
LANES = 2

# A group ends for all of its members together, so a large one keeps the first of them waiting.
_MAX_GROUP = 32

# Turns of the event loop in which those who are on their way may join a group. An idle loop makes
# them in no time; a busy one reads requests meanwhile, and its groups become twice as large, which
# takes a seventh off the CPU time of an accept with 64 clients. (Rejected: a pause of a millisecond
# or two. It makes groups as large, and lets the machine idle.)
_GATHER_TURNS = 4


class GroupWriter:
    """Serves what waits in groups. A write that comes alone is served at once, alone."""

    def __init__(self, threads: Threads, place_all: Callable[[Sequence[Placement]], None]) -> None:
        self._threads = threads
        self._place_all = place_all
        self._waiting: deque[tuple[Placement, asyncio.Future[None]]] = deque()
        self._busy = 0
        self._crowded = False
        self._lanes: set[asyncio.Task[None]] = set()

    async def write(self, folder: str, name: str, body: bytes) -> None:
        """Put content in its place; durable when it returns.

        Raises:
            UnavailableError: the disk refuses, or takes too long.
        """
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((Placement(folder, name, body), done))
        if self._busy < LANES:
            self._busy += 1
            # It begins at the loop's next turn, so that what comes in this turn joins the group.
            lane = asyncio.create_task(self._serve(), name="folder-group-write")
            self._lanes.add(lane)
            lane.add_done_callback(self._lanes.discard)
        await done

    async def close(self) -> None:
        """Serve what waits, then return. Bounded, as each trip to a thread is."""
        while self._lanes:
            await asyncio.wait(self._lanes)

    async def _serve(self) -> None:
        try:
            while self._waiting:
                await self._gather()
                if group := self._next_group():
                    self._crowded = len(group) > 1
                    await self._serve_group(group)
        finally:
            # Counted here and not by the tasks: a task is done a turn after it last looked at what
            # waits, and what came in that turn would wait for ever.
            self._busy -= 1

    async def _gather(self) -> None:
        """Let a group grow, where the last one was of several."""
        if self._crowded:
            for _ in range(_GATHER_TURNS):
                await asyncio.sleep(0)

    def _next_group(self) -> list[tuple[Placement, asyncio.Future[None]]]:
        size = min(_MAX_GROUP, len(self._waiting))
        group = [self._waiting.popleft() for _ in range(size)]
        # Whoever was cancelled while waiting no longer wants it written.
        return [(placement, done) for placement, done in group if not done.done()]

    async def _serve_group(self, group: list[tuple[Placement, asyncio.Future[None]]]) -> None:
        trip = self._threads.run(self._place_all, [placement for placement, _ in group])
        # Whatever goes wrong is for those who wait to hear; the lane lives on.
        (failure,) = await asyncio.gather(trip, return_exceptions=True)
        for placement, done in group:
            error = failure or placement.error
            if done.done():
                continue
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)
