"""Taking up again what this scheduler had queued before it was restarted."""

from datetime import datetime

import structlog
from msgspec.structs import replace

from nexus_core.aio.backoff import Backoff
from nexus_core.domain.checkpoint import OpenRun, RunCursor
from nexus_core.domain.errors import InvalidInputError, UnavailableError
from nexus_core.operations.launch import BufferedRun
from nexus_scheduler.parts import SchedulerParts
from nexus_scheduler.queue import LaunchQueue

log = structlog.get_logger()

# Runs read at once: many a round trip, little memory.
_PAGE = 200

# Between two looks at a queue that is too full, in seconds.
_PAUSE = 1.0

# Between two tries while the store is away, doubling and jittered: all schedulers lost it at once,
# and each comes with pages to read.
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 10.0


class Recovery:
    """Queues the `BUFFERED` runs that the store has under this scheduler's name.

    A container that is restarted in its pod keeps its name. One that never comes back is no
    matter: the supervisor submits what it owned. Both at once end in one Job a run.
    """

    def __init__(self, parts: SchedulerParts, queue: LaunchQueue, owner: str) -> None:
        self._store = parts.store
        self._index = parts.index
        self._clock = parts.clock
        self._clusters = parts.clusters
        self._queue = queue
        self._owner = owner
        self._out_of_reach: set[str] = set()

    async def recover(self, received_before: datetime) -> None:
        """Queue all runs received before a time, ahead of new ones, as the queue takes them."""
        recovered, after = 0, None
        backoff = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE)
        while True:
            room = min(_PAGE, self._queue.free)
            if room <= 0:
                await self._clock.sleep(_PAUSE)
                continue
            try:
                page = await self._index.buffered_by(self._owner, room, after)
                old = [run for run in page if run.received_at < received_before]
                for run in old:
                    await self._requeue(run)
            except UnavailableError as error:
                # Readiness has said so already.
                log.debug("recovery waits", error=str(error))
                await self._clock.sleep(backoff.next())
                continue
            backoff.reset()
            recovered += len(old)
            if len(old) < room:
                break
            after = RunCursor(old[-1].received_at, old[-1].key.request_id)
        if recovered:
            log.info("runs recovered", runs=recovered, owner=self._owner)
        if self._out_of_reach:
            # Where such a cluster has no supervisor any more either, they wait until somebody
            # cancels them, and nothing else would ever tell.
            log.warning("runs out of reach", clusters=sorted(self._out_of_reach))

    async def _requeue(self, run: OpenRun) -> None:
        checkpoint = await self._store.find(run.key)
        job = await self._store.find_job(run.key)
        if checkpoint is None or job is None:
            return
        if job.cluster not in self._clusters:
            self._out_of_reach.add(job.cluster)
            return
        try:
            buffered = BufferedRun.of(checkpoint, job)
        except InvalidInputError as error:
            # A row that others wrote; it must not keep this scheduler from starting.
            log.warning("run not recovered", request_id=run.key.request_id, error=str(error))
            return
        # Who had this name before may have started it, and not have come to record that.
        self._queue.put(replace(buffered, doubtful=True), delayed=True)
