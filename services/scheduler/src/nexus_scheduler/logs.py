"""Finding what runs printed: live while their pods are there, and what is kept afterwards."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

from nexus_core.domain.checkpoint import Checkpoint
from nexus_core.domain.errors import NotFoundError, UnavailableError
from nexus_core.domain.journal import LogTail
from nexus_core.domain.log_tail import last_bytes
from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import Stage
from nexus_core.ports.cluster import Cluster, FollowedLog
from nexus_scheduler.parts import SchedulerParts


class FoundLog(NamedTuple):
    """The end of a log."""

    tail: LogTail
    live: bool
    """Whether it was read from the cluster just now; else it was kept."""


class RunLogs:
    """Reads logs for clients."""

    def __init__(self, parts: SchedulerParts) -> None:
        self._store = parts.store
        self._journal = parts.journal
        self._clusters = parts.clusters

    async def tail(self, key: RunKey, limit: int) -> FoundLog:
        """Return the end of what a run printed, at most `limit` bytes.

        Raises:
            NotFoundError: there is no such run, or no log of it; says why.
            UnavailableError: its cluster can't be asked, and nothing is kept.
        """
        checkpoint = await self._checkpoint(key)
        kept = await self._kept(checkpoint)
        if kept is not None and not kept.truncated:
            return FoundLog(last_bytes(kept, limit), live=False)
        try:
            cluster = await self._cluster(checkpoint)
            live = await cluster.log(key, limit) if cluster else None
        except (UnavailableError, NotFoundError):
            if kept is None:
                raise
            live = None
        if live is not None:
            return FoundLog(live, live=True)
        kept = kept or await self._kept_meanwhile(key)
        return FoundLog(last_bytes(kept, limit), live=False)

    @asynccontextmanager
    async def followed(self, key: RunKey, lines: int) -> AsyncIterator[FollowedLog | FoundLog]:
        """Open what a run prints, or return what is kept of it; raises as `tail`."""
        checkpoint = await self._checkpoint(key)
        kept = await self._kept(checkpoint)
        if kept is not None:
            yield FoundLog(kept, live=False)
            return
        async with AsyncExitStack() as stack:
            cluster = await self._cluster(checkpoint)
            live = None
            if cluster is not None:
                live = await stack.enter_async_context(cluster.follow_log(key, lines))
            yield live or FoundLog(await self._kept_meanwhile(key), live=False)

    async def _checkpoint(self, key: RunKey) -> Checkpoint:
        checkpoint = await self._store.find(key)
        if checkpoint is None:
            raise NotFoundError(f"there is no run {key}")
        return checkpoint

    async def _kept(self, checkpoint: Checkpoint) -> LogTail | None:
        """Return what is kept; that of a run which goes on is not looked for."""
        if not checkpoint.lifecycle_stage.finished:
            return None
        return await self._journal.kept_log(checkpoint.key)

    async def _kept_meanwhile(self, key: RunKey) -> LogTail:
        """Look once more: the run may have ended after the first look, and its log been kept."""
        kept = await self._journal.kept_log(key)
        if kept is None:
            raise NotFoundError(why_none(await self._checkpoint(key)))
        return kept

    async def _cluster(self, checkpoint: Checkpoint) -> Cluster | None:
        """Return where a run's pod may be; None for nowhere.

        Raises:
            NotFoundError: in a cluster that this scheduler does not reach.
        """
        if checkpoint.lifecycle_stage in _NEVER_STARTED:
            return None
        job = await self._store.find_job(checkpoint.key)
        if job is None:
            return None
        if job.cluster not in self._clusters:
            raise NotFoundError(
                f"run {checkpoint.key} is on cluster '{job.cluster}', which this scheduler does "
                "not reach: ask one that does"
            )
        return self._clusters[job.cluster]


_NEVER_STARTED = frozenset({Stage.NEW, Stage.BUFFERED, Stage.SCHEDULING_FAILED})


def why_none(checkpoint: Checkpoint) -> str:
    """Say why there is no log of a run."""
    run = f"run {checkpoint.key}"
    match checkpoint.lifecycle_stage:
        case Stage.NEW | Stage.BUFFERED as stage:
            return f"{run} is {stage}: it has not started, and printed nothing yet"
        case Stage.RUNNING:
            return f"{run} is RUNNING, and no pod of it that is left has printed anything yet"
        case Stage.SCHEDULING_FAILED:
            return f"{run} never started, and printed nothing: {checkpoint.algorithm_failure_cause}"
        case Stage.FAILED | Stage.DEADLINE_EXCEEDED as stage:
            return (
                f"{run} is {stage}, and no log of it is kept: it printed nothing, its pod was gone "
                "before it could be read, or the time for which it is kept is over"
            )
        case stage:
            return (
                f"{run} is {stage}, and there is no log of it: it printed nothing, or its pod is "
                "gone, and what that printed with it; the end of a log is kept of runs that failed"
            )
