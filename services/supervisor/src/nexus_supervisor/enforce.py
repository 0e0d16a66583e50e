"""Carrying verdicts out: first in the store, then in the cluster."""

from datetime import datetime

from nexus_core.domain.job_resources import memory_limit
from nexus_core.domain.names import RunKey
from nexus_core.domain.observation import JobStatus
from nexus_core.domain.request import CancellationPolicy
from nexus_core.domain.stages import Stage, StageChange
from nexus_core.domain.troubles import OUT_OF_MEMORY
from nexus_core.domain.verdicts import Verdict
from nexus_core.operations.settle import Settler
from nexus_core.ports.cluster import Cluster
from nexus_supervisor.chronicle import Chronicle
from nexus_supervisor.keep_logs import LogKeeper
from nexus_supervisor.memory import RunMemory
from nexus_supervisor.metrics import RunMetrics
from nexus_supervisor.parts import SupervisorParts


class Enforcer:
    """Brings runs of one cluster to the stage that a verdict names. Idempotent."""

    def __init__(
        self,
        parts: SupervisorParts,
        cluster: Cluster,
        settler: Settler,
        logs: LogKeeper,
        metrics: RunMetrics,
        chronicle: Chronicle,
    ) -> None:
        self._store = parts.store
        self._clock = parts.clock
        self._cluster = cluster
        self._settler = settler
        self._logs = logs
        self.memory = RunMemory()
        self.metrics = metrics
        self.chronicle = chronicle

    async def mark_started(self, job: JobStatus) -> None:
        """Record that a run's Job exists, if its creator did not come to that.

        As a rule it did: so a read comes first, which costs less than a compare-and-set in vain.
        """
        if self.memory.is_known_to_run(job):
            return
        checkpoint = await self._store.find(job.key)
        if checkpoint is not None and checkpoint.lifecycle_stage is Stage.BUFFERED:
            await self.mark_running(job.key, job.uid, job.created_at)
        self.memory.note_running(job.key, job.uid)

    async def mark_running(self, key: RunKey, job_uid: str, sent_at: datetime) -> None:
        """Record that a run's Job exists."""
        now = self._clock.now()
        change = StageChange(to=Stage.RUNNING, at=now, sent_at=sent_at, job_uid=job_uid)
        await self._store.advance(key, change)

    async def finish(self, key: RunKey, verdict: Verdict) -> None:
        """Finish a run, and delete its Job where the verdict says so.

        Recorded first: of a Job that is gone, nobody could tell any more why, and nothing that is
        printed is worth a wait for the verdict.
        """
        advance = await self._settler.settle(
            key,
            StageChange(
                to=verdict.stage,
                at=self._clock.now(),
                cause=verdict.cause,
                details=verdict.details,
            ),
        )
        if advance.applied:
            self.metrics.settled(self._cluster.name, verdict.stage)
        if advance.stage is None or not advance.stage.finished:
            return
        if verdict.delete_job:
            await self.remove_job(key, advance.stage)
        elif advance.applied:
            # The Job goes by its cluster's own clock, and what it printed with it.
            await self._logs.keep(key, advance.stage)

    async def remove_job(self, key: RunKey, stage: Stage) -> None:
        """Delete the Job of a finished run; what it printed last is kept before, if it failed."""
        await self._logs.keep(key, stage)
        # The runs that it started were accepted, too: they go on to ends of their own.
        await self._cluster.delete_job(key, CancellationPolicy.ORPHAN)

    async def keep_log_early(self, job: JobStatus) -> None:
        """Keep what a Job printed that has failed as soon as its pods have ended, which go then."""
        await self._logs.keep(job.key, Stage.FAILED)

    async def memory_limit(self, seen: JobStatus) -> str:
        """Return the limit that a run exceeded, empty when it did not or nothing is known of it.

        Read for those runs alone: all others need no look at their Job.
        """
        if seen.termination_reason != OUT_OF_MEMORY:
            return ""
        job = await self._store.find_job(seen.key)
        return memory_limit(job.manifest) if job else ""
