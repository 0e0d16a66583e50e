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
from nexus_supervisor.memory import RunMemory
from nexus_supervisor.metrics import SupervisorMetrics
from nexus_supervisor.parts import SupervisorParts


class Enforcer:
    """Brings runs of one cluster to the stage that a verdict names. Idempotent."""

    def __init__(
        self,
        parts: SupervisorParts,
        cluster: Cluster,
        settler: Settler,
        metrics: SupervisorMetrics,
        chronicle: Chronicle,
    ) -> None:
        self._store = parts.store
        self._clock = parts.clock
        self._cluster = cluster
        self._settler = settler
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

        Recorded first: of a Job that is gone, nobody could tell any more why.
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
        if verdict.delete_job and advance.stage is not None and advance.stage.finished:
            # The runs that it started were accepted, too: they go on to ends of their own.
            await self._cluster.delete_job(key, CancellationPolicy.ORPHAN)

    async def memory_limit(self, seen: JobStatus) -> str:
        """Return the limit that a run exceeded, empty when it did not or nothing is known of it.

        Read for those runs alone: all others need no look at their Job.
        """
        if seen.termination_reason != OUT_OF_MEMORY:
            return ""
        job = await self._store.find_job(seen.key)
        return memory_limit(job.manifest) if job else ""
