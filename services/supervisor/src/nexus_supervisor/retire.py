"""Removing what has had its time: a little at a time, on a timer of its own, beside the sweeps."""

from datetime import datetime, timedelta

import structlog

from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.retirement import EndingPlace, Kept, Standing
from nexus_core.telemetry.news import News
from nexus_supervisor.metrics import RemovalMetrics
from nexus_supervisor.parts import SupervisorParts
from nexus_supervisor.removals import Removals
from nexus_supervisor.settings import Retention

log = structlog.get_logger()

# So far a place may lag behind before it is remembered though nothing was found on the way: often
# enough that nobody walks through days of nothing, seldom enough that it costs nothing.
_IDLE_WALK = timedelta(hours=1)

# A store may tell of an end some minutes late, and then as of the time at which it happened. No
# place goes beyond that because nothing was found, or what is kept for less would be passed over.
_TOLD_WITHIN = timedelta(minutes=10)


class Retirer:
    """Removes what is kept of finished runs when its time is over.

    Runs are walked through in the order in which they ended, once for each kind of what is kept;
    how far each has come is remembered in the store. So a pass costs what it removes, and whoever
    leads next goes on where this one died: what was removed and not yet remembered is removed once
    more, which changes nothing.
    """

    def __init__(
        self,
        parts: SupervisorParts,
        removals: Removals,
        settings: Retention,
        metrics: RemovalMetrics,
    ) -> None:
        self._retention = parts.retention
        self._clock = parts.clock
        self._removals = removals
        self._times = settings.times()
        self._portion = settings.portion
        self._seconds = settings.pass_time / max(1, len(self._times.removed))
        self._metrics = metrics
        self._news = {kept: News(parts.clock) for kept in Kept}

    async def retire(self) -> bool:
        """Remove for as long as a pass may take; tell whether there is more to remove.

        A store that is away holds up what it keeps, and the records that lead there; no more.

        Raises:
            UnavailableError: the checkpoint store can't be asked.
        """
        places = await self._places()
        standing = Standing(
            times=self._times,
            places=places,
            within_reach=self._removals.within_reach,
            expiry=await self._retention.expiry(),
        )
        more = False
        for kept in self._times.removed:
            before = standing.removable_before(kept, self._clock.now())
            if before is not None:
                more |= await self._advance(kept, before, places)
        now = self._clock.now()
        await self._retention.tidy(standing.done_before(now), now)
        return more

    async def _places(self) -> dict[Kept, EndingPlace]:
        found = {kept: await self._retention.place(kept) for kept in Kept}
        return {kept: place for kept, place in found.items() if place is not None}

    async def _advance(self, kept: Kept, before: datetime, places: dict[Kept, EndingPlace]) -> bool:
        """Remove one kind, and move its place on; tell whether there is more of it."""
        try:
            more = await self._remove(kept, before, places)
        except UnavailableError as error:
            if self._news[kept].is_new(str(error)):
                log.warning("removal broke off", kept=kept, error=str(error))
            return False
        finally:
            if place := places.get(kept):
                self._metrics.stands_at(kept, (before - place.at).total_seconds())
        if self._news[kept].is_over():
            log.info("removal gets through again", kept=kept)
        return more

    async def _remove(self, kept: Kept, before: datetime, places: dict[Kept, EndingPlace]) -> bool:
        until = self._clock.monotonic() + self._seconds
        place = places.get(kept)
        while page := await self._retention.ended(before, self._portion, place):
            await self._removals.remove(kept, [ending.key for ending in page])
            place = places[kept] = page[-1].place
            await self._retention.move_on(kept, place)
            self._metrics.of_runs(kept, len(page))
            if self._clock.monotonic() >= until:
                return True
        # Nothing that ends from now on comes before this.
        walked = min(before, self._clock.now() - _TOLD_WITHIN)
        if place is None or walked > place.at:
            places[kept] = EndingPlace(walked)
            if place is None or walked - place.at >= _IDLE_WALK:
                await self._retention.move_on(kept, places[kept])
        return False
