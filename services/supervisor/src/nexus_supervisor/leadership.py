"""Of the supervisors of one cluster, one leads: it alone follows the feed and sweeps."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import structlog

from nexus_core.aio.backoff import shortened
from nexus_core.aio.tasks import BackgroundTasks
from nexus_core.domain.errors import UnavailableError
from nexus_core.ports.clock import Clock
from nexus_core.ports.leader_election import LeaderElection
from nexus_core.telemetry.news import News

log = structlog.get_logger()

# Two renewals may fail before the third comes too late.
_RENEWALS = 3

# Between two tries to renew while the store is away, in seconds, shortened at random: it may be
# back before the lease has run out.
_PAUSE = 1.0

# Between any two tries, in seconds, whatever lease is set.
_SHORTEST = 0.1

# For giving the lead up on the way out; what takes longer, time does.
_RESIGN_SECONDS = 2.0

Work = Callable[[BackgroundTasks], None]
"""Starts what a leader does, as tasks that are cancelled when it leads no more."""


class Leadership:
    """A candidate for the lead of one cluster's supervisors.

    By its own clock it stops before its lease runs out, counted from before it asked. That keeps
    two from acting at once but when one is frozen in between, which is why all that a leader does
    is safe to do twice: leading saves work, nothing is right because of it.
    """

    def __init__(
        self,
        election: LeaderElection,
        cluster: str,
        candidate: str,
        lease: float,
        clock: Clock,
    ) -> None:
        """Make a candidate; `lease` is in seconds."""
        self._election = election
        self._cluster = cluster
        self._role = f"supervisor/{cluster}"
        self._candidate = candidate
        self._lease = lease
        self._between = max(lease / _RENEWALS, _SHORTEST)
        self._clock = clock
        self._news = News(clock)
        self._said: bool | None = None
        self._may_hold_the_lease = False
        self.leads = False
        """Whether it leads: what a leader does is under way, or is just being stopped."""

    async def stand(self, work: Work, above: BackgroundTasks) -> None:
        """Lead whenever it is elected, until cancelled; then let others lead at once.

        A task of the work that fails or finishes is a fault of `above`.
        """
        try:
            while True:
                await self._lead(await self._elected(), work, above)
        finally:
            if self._may_hold_the_lease:
                await give_up(self._election, self._role, self._candidate)

    async def _lead(self, ends: float, work: Work, above: BackgroundTasks) -> None:
        """Work for as long as the lease can be renewed."""
        self.leads = True
        try:
            async with BackgroundTasks(above) as tasks:
                work(tasks)
                renewed: float | None = ends
                while renewed is not None:
                    renewed = await self._renewed(renewed)
        finally:
            self.leads = False

    async def _elected(self) -> float:
        """Stand by until it is elected; return when the lease ends by our clock."""
        while True:
            pause = self._between
            try:
                ends = await self._ask()
            except UnavailableError as error:
                self._note(error)
                pause = shortened(self._between)
            else:
                self._say(leads=ends is not None)
                if ends is not None:
                    return ends
            await self._clock.sleep(pause)

    async def _renewed(self, ends: float) -> float | None:
        """Renew the lease before it ends; return when it ends then, None when it is lost."""
        pause = self._between
        while True:
            await self._clock.sleep(min(pause, ends - self._clock.monotonic()))
            if self._clock.monotonic() >= ends:
                log.warning("lead lost, the lease could not be renewed", cluster=self._cluster)
                self._said = None
                return None
            try:
                return await self._ask_before(ends)
            except UnavailableError as error:
                self._note(error)
                pause = shortened(min(_PAUSE, self._between))

    async def _ask_before(self, ends: float) -> float | None:
        """Renew; who gets no answer while the lease lasts has lost it.

        By the clock that counts the lease, which tests turn; `asyncio.timeout` knows another.
        """
        asking = asyncio.create_task(self._ask(), name=f"renew {self._role}")
        alarm = asyncio.create_task(
            self._clock.sleep(ends - self._clock.monotonic()), name=f"lease of {self._role}"
        )
        try:
            await asyncio.wait([asking, alarm], return_when=asyncio.FIRST_COMPLETED)
        finally:
            asking.cancel()
            alarm.cancel()
            await asyncio.gather(asking, alarm, return_exceptions=True)
        return None if asking.cancelled() else asking.result()

    async def _ask(self) -> float | None:
        asked = self._clock.monotonic()
        self._may_hold_the_lease = True
        leads = await self._election.lead(
            self._role, self._candidate, timedelta(seconds=self._lease)
        )
        self._may_hold_the_lease = leads
        if self._news.is_over():
            log.info("election answers again", cluster=self._cluster)
        return asked + self._lease if leads else None

    def _say(self, *, leads: bool) -> None:
        if leads is not self._said:
            self._said = leads
            log.info(
                "supervisor leads" if leads else "supervisor stands by",
                cluster=self._cluster,
                candidate=self._candidate,
            )

    def _note(self, error: UnavailableError) -> None:
        if self._news.is_new(str(error)):
            log.warning("election does not answer", cluster=self._cluster, error=str(error))


async def give_up(election: LeaderElection, role: str, candidate: str) -> None:
    """Let others lead at once in what this one leads, or may lead. What fails here, time does."""
    try:
        async with asyncio.timeout(_RESIGN_SECONDS):
            await election.resign(role, candidate)
    except (UnavailableError, TimeoutError) as error:
        log.warning("lead not given up, it runs out", role=role, error=str(error))
