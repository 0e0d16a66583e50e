"""Cancelling runs, with the runs that they started."""

import structlog

from nexus_core.domain.cancellation import cancellation, cancelled_with_parent
from nexus_core.domain.errors import NotFoundError, UnavailableError
from nexus_core.domain.names import RunKey
from nexus_core.domain.request import CancellationPolicy, CancellationRequest
from nexus_core.domain.stages import Stage, StageChange
from nexus_core.operations.settle import Settler
from nexus_scheduler.errors import AlreadyFinishedError
from nexus_scheduler.parts import SchedulerParts
from nexus_scheduler.queue import LaunchQueue

log = structlog.get_logger()


class Canceller:
    """Cancels from every unfinished stage; idempotent."""

    def __init__(self, parts: SchedulerParts, queue: LaunchQueue, settler: Settler) -> None:
        self._store = parts.store
        self._index = parts.index
        self._clusters = parts.clusters
        self._clock = parts.clock
        self._queue = queue
        self._settler = settler

    async def cancel(self, key: RunKey, request: CancellationRequest) -> None:
        """Cancel a run and, unless the policy is `Orphan`, all runs below it.

        Raises:
            NotFoundError: there is no such run.
            AlreadyFinishedError: it has finished otherwise than by being cancelled.
        """
        policy = request.cancellation_policy or CancellationPolicy.BACKGROUND
        change = cancellation(request, self._clock.now())
        advance = await self._settler.settle(key, change)
        if advance.stage is None:
            raise NotFoundError(f"there is no run {key}")
        if advance.stage is not Stage.CANCELLED:
            raise AlreadyFinishedError(f"run {key} is {advance.stage} already")
        cancelled = [key]
        if policy is not CancellationPolicy.ORPHAN:
            cancelled += await self._cancel_below(key, change)
        # All are recorded before the first Job is deleted, since a cluster deletes the Jobs below
        # with it: the other way round, a crash between the two would leave runs whose Jobs are
        # gone, and the supervisor would call them failed.
        for run in cancelled:
            await self._remove(run, policy)

    async def _cancel_below(self, ancestor: RunKey, change: StageChange) -> list[RunKey]:
        """Record all runs below one as cancelled, those below finished ones too; return which."""
        cancelled = []
        seen = {ancestor}
        level = [ancestor]
        while level:
            parent = level.pop()
            for child in await self._index.children(parent):
                if child in seen:
                    continue
                seen.add(child)
                level.append(child)
                with_parent = cancelled_with_parent(change, parent)
                advance = await self._settler.settle(child, with_parent)
                if advance.stage is Stage.CANCELLED:
                    cancelled.append(child)
        return cancelled

    async def _remove(self, key: RunKey, policy: CancellationPolicy) -> None:
        """Take a cancelled run out of the queue and its Job out of the cluster."""
        self._queue.remove(key)
        job = await self._store.find_job(key)
        cluster = self._clusters.get(job.cluster) if job else None
        if cluster is None:
            return
        try:
            await cluster.delete_job(key, policy)
        except UnavailableError as error:
            # The run is cancelled whatever the cluster says; the sweep deletes Jobs of such runs.
            log.warning("job left to the sweep", request_id=key.request_id, error=str(error))
