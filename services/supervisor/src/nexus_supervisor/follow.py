"""Following what a cluster tells, so that runs are settled at once."""

from contextlib import aclosing

import structlog

from nexus_core.aio.backoff import Backoff
from nexus_core.aio.serial_lanes import SerialLanes
from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.observation import Observation
from nexus_core.domain.stages import Stage
from nexus_core.domain.verdicts import judge_observation
from nexus_core.ports.clock import Clock
from nexus_core.ports.cluster import Cluster
from nexus_core.telemetry.news import News
from nexus_supervisor.enforce import Enforcer
from nexus_supervisor.metrics import SupervisorMetrics

log = structlog.get_logger()

# Each is a round trip or two to the store; more at once than the store's own parallelism is vain.
_LANES = 16


class Follower:
    """Judges each observation of one cluster; in order for a run, side by side for others.

    What is lost here, by a gap in the feed or a store that is away, the sweep finds.
    """

    def __init__(
        self, cluster: Cluster, enforcer: Enforcer, clock: Clock, metrics: SupervisorMetrics
    ) -> None:
        self._cluster = cluster
        self._enforcer = enforcer
        self._clock = clock
        self._metrics = metrics
        self._news = News(clock)

    async def follow(self) -> None:
        """Follow until cancelled; take up again whenever the feed breaks."""
        backoff = Backoff(base=0.5, maximum=30)
        news = News(self._clock)
        async with SerialLanes("observations", _LANES, self._heed) as lanes:
            while True:
                try:
                    async with aclosing(self._cluster.observe()) as feed:
                        async for observation in feed:
                            backoff.reset()
                            news.is_over()
                            await lanes.put(observation.key, observation)
                except UnavailableError as error:
                    if news.is_new(str(error)):
                        log.warning("feed broke", cluster=self._cluster.name, error=str(error))
                await self._clock.sleep(backoff.next())

    async def _heed(self, observation: Observation) -> None:
        kind, reason = observation.kind, observation.reason
        at = observation.at.timestamp()
        self._metrics.observed(self._cluster.name, kind, reason, at)
        key = observation.key
        try:
            limit = await self._enforcer.memory_limit(observation)
            verdict = judge_observation(observation, limit)
            if verdict is None:
                return
            if verdict.stage is Stage.RUNNING:
                await self._enforcer.mark_running(key, observation.job_uid, observation.at)
            else:
                await self._enforcer.finish(key, verdict)
        except UnavailableError as error:
            # While the store is away it is all of them.
            if self._news.is_new(str(error)):
                log.warning(
                    "observations left to the sweep",
                    request_id=key.request_id,
                    reason=reason,
                    error=str(error),
                )
