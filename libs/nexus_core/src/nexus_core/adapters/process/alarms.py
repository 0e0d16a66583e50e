"""Many points in time, one sleeper."""

import asyncio
import heapq
from datetime import datetime
from itertools import count

from nexus_core.ports.clock import Clock

# Below it, dropping the alarms that nobody waits for any more is not worth the walk.
_MIN_TO_TIDY = 256


class Alarms:
    """Wakes at points of the wall clock's time, which have the same meaning after a restart.

    There may be an alarm for each of many thousand Jobs: an entry of a heap is a tenth of a task.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._order = count()
        self._heap: list[tuple[datetime, int, asyncio.Future[None]]] = []
        self._earlier = asyncio.Event()
        self._tidy_at = _MIN_TO_TIDY

    def at(self, when: datetime) -> asyncio.Future[None]:
        """Return a future that is done when the time has come. Cancel it to forget the alarm."""
        alarm: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if len(self._heap) >= self._tidy_at:
            self._tidy()
        heapq.heappush(self._heap, (when, next(self._order), alarm))
        if self._heap[0][2] is alarm:
            self._earlier.set()
        return alarm

    async def run(self) -> None:
        """Ring the alarms; for ever, until cancelled."""
        while True:
            self._ring()
            await self._until_next()

    def _ring(self) -> None:
        now = self._clock.now()
        while self._heap and (self._heap[0][0] <= now or self._heap[0][2].done()):
            _, _, alarm = heapq.heappop(self._heap)
            if not alarm.done():
                alarm.set_result(None)

    async def _until_next(self) -> None:
        self._earlier.clear()
        if not self._heap:
            await self._earlier.wait()
            return
        seconds = (self._heap[0][0] - self._clock.now()).total_seconds()
        sleep = asyncio.create_task(self._clock.sleep(seconds), name="process-cluster-alarm-sleep")
        earlier = asyncio.create_task(self._earlier.wait(), name="process-cluster-alarm-earlier")
        try:
            await asyncio.wait({sleep, earlier}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()
            earlier.cancel()

    def _tidy(self) -> None:
        # Most deadlines are cancelled long before they ring. Doubling keeps the cost constant.
        self._heap = [entry for entry in self._heap if not entry[2].done()]
        heapq.heapify(self._heap)
        self._tidy_at = max(_MIN_TO_TIDY, 2 * len(self._heap))
