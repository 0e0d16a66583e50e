"""The scheduler's sign of life."""

import math
from datetime import timedelta

import structlog

from nexus_core.aio.backoff import Backoff
from nexus_core.domain.checkpoint import Lease
from nexus_core.domain.errors import UnavailableError
from nexus_core.ports.clock import Clock
from nexus_core.ports.lease_store import LeaseStore
from nexus_core.telemetry.news import News

log = structlog.get_logger()

RENEWALS = 3
"""In the time of a lease: two may fail before the third comes too late."""

# Between two tries while the store is away, in seconds, doubling and jittered. Not for long: once
# it is back, receivers are to know soon whom to call.
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 1.0


class LeaseKeeper:
    """Holds the lease of a scheduler while it lives."""

    def __init__(
        self,
        leases: LeaseStore,
        owner: str,
        callback_url: str,
        duration: timedelta,
        clock: Clock,
    ) -> None:
        self._leases = leases
        self._owner = owner
        self._callback_url = callback_url
        self._duration = duration
        self._clock = clock
        self._renewed = False
        self._lapses_at: float | None = None
        self._lapsed_until = -math.inf
        self._news = News(clock)

    def is_sure(self) -> bool:
        """Tell whether nobody may have taken over what was queued within a part of the lease.

        That is so while the lease is held, unless it was not until just now. Asked with each
        launch, so that it is also true of a process that was frozen and goes on this very moment.
        """
        now = self._clock.monotonic()
        held = self._lapses_at is not None and now < self._lapses_at
        return held and now - self._lapsed_until >= self._duration.total_seconds() / RENEWALS

    async def renew(self) -> bool:
        """Renew the lease once. False when the store is away.

        That is no fault of the scheduler's: it goes on, and what it owns is late at worst.
        """
        began = self._clock.monotonic()
        expires_at = self._clock.now() + self._duration
        lease = Lease(owner=self._owner, callback_url=self._callback_url, expires_at=expires_at)
        try:
            await self._leases.renew(lease)
        except UnavailableError as error:
            if self._news.is_new(str(error)):
                log.warning("lease not renewed", owner=self._owner, error=str(error))
            self._renewed = False
            self._lapses_at = self._lapses_at or began
        else:
            if self._lapses_at is not None and began >= self._lapses_at:
                self._lapsed_until = self._clock.monotonic()
            self._lapses_at = began + self._duration.total_seconds()
            if self._news.is_over():
                log.info("lease renewed again", owner=self._owner)
            self._renewed = True
        return self._renewed

    async def keep(self) -> None:
        """Renew the lease again and again, until cancelled."""
        between = self._duration.total_seconds() / RENEWALS
        backoff = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE)
        while True:
            if self._renewed:
                backoff.reset()
                pause = between
            else:
                pause = min(backoff.next(), between)
            await self._clock.sleep(pause)
            await self.renew()

    async def release(self) -> None:
        """Let others take over at once. What fails here, time does."""
        try:
            await self._leases.release(self._owner, self._clock.now())
        except UnavailableError as error:
            log.warning("lease not released", owner=self._owner, error=str(error))
