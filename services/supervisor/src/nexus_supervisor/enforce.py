"""Carrying verdicts out: first in the store, then in the cluster."""

from datetime import datetime

import msgspec

from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import Stage, StageChange
from nexus_core.domain.verdicts import Verdict
from nexus_core.operations.settle import Settler
from nexus_core.ports.cluster import Cluster
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
    ) -> None:
        self._store = parts.store
        self._clock = parts.clock
        self._cluster = cluster
        self._settler = settler
        self.metrics = metrics

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
            await self._cluster.delete_job(key)

    async def memory_limit(self, key: RunKey) -> str:
        """Return the memory limit of a run's buffered Job, empty when it has none."""
        job = await self._store.find_job(key)
        if job is None:
            return ""
        containers = msgspec.json.decode(
            job.manifest, type=_JobLimits
        ).spec.template.spec.containers
        limits = containers[0].resources.limits if containers else {}
        return str(limits.get("memory", ""))


class _Resources(msgspec.Struct):
    limits: dict[str, str | int | float] = {}


class _Container(msgspec.Struct):
    resources: _Resources = msgspec.field(default_factory=_Resources)


class _PodSpec(msgspec.Struct):
    containers: list[_Container] = []


class _Template(msgspec.Struct):
    spec: _PodSpec = msgspec.field(default_factory=_PodSpec)


class _JobSpec(msgspec.Struct):
    template: _Template = msgspec.field(default_factory=_Template)


class _JobLimits(msgspec.Struct):
    spec: _JobSpec = msgspec.field(default_factory=_JobSpec)
