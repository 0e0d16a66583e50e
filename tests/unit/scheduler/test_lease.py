"""A scheduler's sign of life."""

import asyncio
from datetime import datetime, timedelta

from structlog.testing import capture_logs

from nexus_core.domain.checkpoint import Lease
from nexus_core.domain.errors import UnavailableError
from nexus_scheduler.lease import LeaseKeeper
from support.clock import ManualClock, settle

DURATION = timedelta(seconds=30)


class Leases:
    """One lease, unless the store is away."""

    def __init__(self) -> None:
        self.kept: list[Lease] = []
        self.released: list[tuple[str, datetime]] = []
        self.away = False

    async def renew(self, lease: Lease) -> None:
        self._answer()
        self.kept.append(lease)

    async def release(self, owner: str, at: datetime) -> None:
        self._answer()
        self.released.append((owner, at))

    async def alive(self, at: datetime) -> list[Lease]:
        return [lease for lease in self.kept[-1:] if lease.expires_at > at]

    async def expired(self, at: datetime) -> list[Lease]:
        return [lease for lease in self.kept[-1:] if lease.expires_at <= at]

    def _answer(self) -> None:
        if self.away:
            raise UnavailableError("the store is away")


def a_keeper(leases: Leases, clock: ManualClock) -> LeaseKeeper:
    return LeaseKeeper(leases, "scheduler-0", "http://scheduler-0:8080", DURATION, clock)


async def test_a_lease_says_who_lives_where_and_until_when(clock: ManualClock) -> None:
    leases = Leases()
    await a_keeper(leases, clock).renew()
    (lease,) = leases.kept
    assert lease.owner == "scheduler-0"
    assert lease.callback_url == "http://scheduler-0:8080"
    assert lease.expires_at == clock.now() + DURATION


async def test_a_lease_does_not_run_out_though_two_renewals_fail(clock: ManualClock) -> None:
    leases = Leases()
    keeper = a_keeper(leases, clock)
    await keeper.renew()
    keeping = asyncio.create_task(keeper.keep())
    await settle()
    leases.away = True
    await clock.advance(29)
    assert await leases.alive(clock.now())
    leases.away = False
    await clock.advance(1)
    assert await leases.alive(clock.now() + timedelta(seconds=29))
    assert not keeping.done()
    keeping.cancel()
    await asyncio.wait([keeping])


async def test_a_lease_that_the_store_could_not_take_is_there_a_second_after_it_can(
    clock: ManualClock,
) -> None:
    leases = Leases()
    leases.away = True
    keeper = a_keeper(leases, clock)
    assert not await keeper.renew()
    keeping = asyncio.create_task(keeper.keep())
    await settle()
    await clock.advance(5)
    assert not leases.kept
    leases.away = False
    await clock.advance(1)
    assert await leases.alive(clock.now())
    keeping.cancel()
    await asyncio.wait([keeping])


async def test_a_lease_is_given_back_and_a_store_that_is_away_is_no_obstacle(
    clock: ManualClock,
) -> None:
    leases = Leases()
    keeper = a_keeper(leases, clock)
    await keeper.release()
    assert leases.released == [("scheduler-0", clock.now())]
    leases.away = True
    await keeper.release()


async def test_a_store_that_stays_away_is_logged_once(clock: ManualClock) -> None:
    leases = Leases()
    leases.away = True
    keeper = a_keeper(leases, clock)
    with capture_logs() as logs:
        for _ in range(3):
            await keeper.renew()
        leases.away = False
        for _ in range(3):
            await keeper.renew()
    assert [line["event"] for line in logs] == ["lease not renewed", "lease renewed again"]


async def test_who_holds_its_lease_is_sure_that_nobody_took_over(clock: ManualClock) -> None:
    keeper = a_keeper(Leases(), clock)
    assert not keeper.is_sure()
    await keeper.renew()
    assert keeper.is_sure()
    await clock.advance(29)
    assert keeper.is_sure()


async def test_who_was_frozen_beyond_its_lease_is_not_sure_and_is_again_after_a_while(
    clock: ManualClock,
) -> None:
    keeper = a_keeper(Leases(), clock)
    await keeper.renew()
    await clock.advance(30)
    assert not keeper.is_sure()
    await keeper.renew()
    assert not keeper.is_sure()
    await clock.advance(10)
    assert keeper.is_sure()


async def test_who_never_got_its_lease_is_not_sure_of_what_it_queued_before(
    clock: ManualClock,
) -> None:
    leases = Leases()
    leases.away = True
    keeper = a_keeper(leases, clock)
    await keeper.renew()
    leases.away = False
    await clock.advance(5)
    await keeper.renew()
    assert not keeper.is_sure()
