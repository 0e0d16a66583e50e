"""Following how the Jobs of a cluster change, so that runs are settled at once."""

from contextlib import aclosing

import structlog

from nexus_core.aio.backoff import Backoff
from nexus_core.aio.serial_lanes import SerialLanes
from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.judge import judge
from nexus_core.domain.observation import JobPhase, JobStatus, headline
from nexus_core.domain.stages import Stage
from nexus_core.domain.verdicts import Patience
from nexus_core.ports.clock import Clock
from nexus_core.ports.cluster import Cluster
from nexus_core.telemetry.news import News
from nexus_supervisor.enforce import Enforcer
from nexus_supervisor.metrics import FeedMetrics

log = structlog.get_logger()

# Each is a round trip or two to the store; more at once than the store's own parallelism is vain.
_LANES = 16


class Follower:
    """Judges each status of one cluster's Jobs; in order for a run, side by side for others.

    What is lost here, by a gap in the feed or a store that is away, the sweep finds. So does what
    only time tells: that nothing has changed for too long, or that no result was reported.
    """

    def __init__(
        self,
        cluster: Cluster,
        enforcer: Enforcer,
        patience: Patience,
        metrics: FeedMetrics,
        clock: Clock,
    ) -> None:
        self._cluster = cluster
        self._enforcer = enforcer
        self._memory = enforcer.memory
        self._patience = patience
        self._clock = clock
        self._metrics = metrics
        self._news = News(clock)

    async def follow(self) -> None:
        """Follow until cancelled; take up again whenever the feed breaks."""
        backoff = Backoff(base=0.5, maximum=30)
        news = News(self._clock)
        async with SerialLanes("statuses", _LANES, self._heed) as lanes:
            while True:
                try:
                    async with aclosing(self._cluster.observe()) as feed:
                        async for status in feed:
                            backoff.reset()
                            news.is_over()
                            await lanes.put(status.key, status)
                except UnavailableError as error:
                    if news.is_new(str(error)):
                        log.warning("feed broke", cluster=self._cluster.name, error=str(error))
                await self._clock.sleep(backoff.next())

    async def _heed(self, status: JobStatus) -> None:
        now = self._clock.now()
        kind, reason = headline(status)
        self._metrics.observed(self._cluster.name, kind, reason, now.timestamp())
        self._enforcer.chronicle.saw(status)
        status = self._memory.saw(status, now)
        if _is_left_to_the_sweep(status):
            return
        try:
            if status.failing:
                await self._enforcer.keep_log_early(status)
            limit = await self._enforcer.memory_limit(status)
            verdict = judge(status, now, self._patience, limit)
            if verdict is None:
                return
            if verdict.stage is Stage.RUNNING:
                await self._enforcer.mark_started(status)
            else:
                await self._enforcer.finish(status.key, verdict)
        except UnavailableError as error:
            # While the store is away it is all of them.
            if self._news.is_new(str(error)):
                log.warning(
                    "statuses left to the sweep",
                    request_id=status.key.request_id,
                    reason=reason,
                    error=str(error),
                )


def _is_left_to_the_sweep(status: JobStatus) -> bool:
    """Tell whether most runs in this state have finished, as a sweep knows beforehand."""
    return status.deleted_at is not None or status.phase is JobPhase.SUCCEEDED
