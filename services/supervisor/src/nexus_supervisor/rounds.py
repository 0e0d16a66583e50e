"""When removal is done, and by whom."""

from datetime import timedelta

import structlog

from nexus_core.aio.backoff import shortened
from nexus_core.domain.errors import UnavailableError
from nexus_core.telemetry.news import News
from nexus_supervisor.leadership import give_up
from nexus_supervisor.metrics import RemovalMetrics
from nexus_supervisor.orphans import OrphanSearch
from nexus_supervisor.parts import SupervisorParts
from nexus_supervisor.retire import Retirer
from nexus_supervisor.settings import Retention

log = structlog.get_logger()

ROLE = "retention"
"""What one supervisor of all leads in: removal is by Nexus, not by cluster."""


class RetentionRounds:
    """Has one supervisor of all remove what has had its time, again and again.

    The others would only remove the same once more, which is safe. The first round comes an
    interval after the start, so that the first sweep goes ahead.
    """

    def __init__(
        self,
        parts: SupervisorParts,
        retirer: Retirer,
        orphans: OrphanSearch | None,
        settings: Retention,
        candidate: str,
        metrics: RemovalMetrics,
    ) -> None:
        self._election = parts.election
        self._clock = parts.clock
        self._retirer = retirer
        self._orphans = orphans
        self._candidate = candidate
        self._interval = settings.interval
        # Over a round that comes late; should this one be killed, nothing is in a hurry.
        self._lease = timedelta(seconds=3 * settings.interval + settings.pass_time)
        self._may_lead = False
        self._metrics = metrics
        self._news = News(parts.clock)

    async def go_on(self) -> None:
        """Make rounds until cancelled; then let others make them at once.

        While there is much to remove, half of the time goes to it.

        Where the store is away, the next round comes half an interval to an interval later.
        """
        pause: float = self._interval
        try:
            while True:
                await self._clock.sleep(pause)
                pause = await self._round_in_words()
        finally:
            if self._may_lead:
                await give_up(self._election, ROLE, self._candidate)

    async def _round_in_words(self) -> float:
        """Make a round; return after how many seconds the next one is to come."""
        began = self._clock.monotonic()
        try:
            more = await self._round()
        except UnavailableError as error:
            if self._news.is_new(str(error)):
                log.warning("removal broke off", error=str(error))
            return shortened(self._interval)
        except Exception:
            # A fault of ours, that is no reason for sweeps to end.
            log.exception("removal failed")
            return shortened(self._interval)
        if self._news.is_over():
            log.info("removal gets through again")
        took = self._clock.monotonic() - began
        return min(max(1.0, took), self._interval) if more else self._interval

    async def _round(self) -> bool:
        """Remove for a while if it is ours to do; tell whether there is more to remove."""
        self._may_lead = True
        self._may_lead = await self._election.lead(ROLE, self._candidate, self._lease)
        if not self._may_lead:
            return False
        began = self._clock.monotonic()
        more = await self._retirer.retire()
        if self._orphans is not None:
            await self._orphans.search_if_due()
        took = self._clock.monotonic() - began
        self._metrics.round_ended(took, self._clock.now().timestamp())
        return more
