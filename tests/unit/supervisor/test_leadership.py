"""Standing for the lead of one cluster's supervisors, by a clock that is turned."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from itertools import pairwise

from structlog.testing import capture_logs

from nexus_core.aio.tasks import BackgroundTasks
from nexus_core.domain.errors import UnavailableError
from nexus_supervisor.leadership import Leadership
from support.clock import ManualClock, settle

LEASE = 15.0
HOUR = 3600.0


class Election:
    """Elects whom a test says, and remembers who asked."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.elects = True
        self.away = False
        self.answers = asyncio.Event()
        """Calls wait while it is cleared."""
        self.answers.set()
        self.asked_at: list[float] = []
        self.told: list[str] = []
        """What happened, in order."""

    async def lead(self, role: str, candidate: str, duration: timedelta) -> bool:
        assert (role, candidate) == ("supervisor/shard-1", "supervisor-0")
        assert duration == timedelta(seconds=LEASE)
        self.asked_at.append(self._clock.monotonic())
        self.told.append("asked")
        await self.answers.wait()
        if self.away:
            raise UnavailableError("the store is away")
        return self.elects

    async def resign(self, role: str, candidate: str) -> None:
        assert (role, candidate) == ("supervisor/shard-1", "supervisor-0")
        self.told.append("resigned")
        if self.away:
            raise UnavailableError("the store is away")


class Workplace:
    """A candidate at work, or not."""

    def __init__(self, election: Election, clock: ManualClock) -> None:
        self._election = election
        self.candidate = Leadership(election, "shard-1", "supervisor-0", LEASE, clock)
        self.working = 0
        self.begun = 0
        self.fails = asyncio.Event()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[BackgroundTasks]:
        async with BackgroundTasks() as tasks:
            tasks.start("lead", self.candidate.stand(self._begin, tasks))
            await settle()
            yield tasks

    def _begin(self, tasks: BackgroundTasks) -> None:
        tasks.start("follow", self._work())
        tasks.start("sweep", self._work())

    async def _work(self) -> None:
        self.working += 1
        self.begun += 1
        try:
            await self.fails.wait()
            raise RuntimeError("broken")
        finally:
            self.working -= 1
            self._election.told.append("stopped")


async def test_who_is_elected_works_at_once_and_for_as_long_as_it_is(clock: ManualClock) -> None:
    election = Election(clock)
    place = Workplace(election, clock)
    async with place.open():
        assert place.working == 2
        assert place.candidate.leads

        await clock.advance(HOUR)

        assert place.working == place.begun == 2
    assert place.working == 0


async def test_a_lease_is_renewed_when_a_third_of_it_is_over(clock: ManualClock) -> None:
    election = Election(clock)
    async with Workplace(election, clock).open():
        await clock.advance(HOUR)

    assert election.asked_at == [5.0 * n for n in range(int(HOUR / 5) + 1)]


async def test_who_is_not_elected_stands_by_and_asks_as_often(clock: ManualClock) -> None:
    election = Election(clock)
    election.elects = False
    place = Workplace(election, clock)
    async with place.open():
        await clock.advance(4 * 5.0)
        assert place.begun == 0
        assert not place.candidate.leads
        assert len(election.asked_at) == 5

        election.elects = True
        await clock.advance(5.0)

        assert place.working == 2


async def test_work_ends_when_another_was_elected(clock: ManualClock) -> None:
    election = Election(clock)
    place = Workplace(election, clock)
    async with place.open():
        election.elects = False
        await clock.advance(5.0)

        assert place.working == 0
        assert not place.candidate.leads

        election.elects = True
        await clock.advance(5.0)

        assert place.working == 2


async def test_work_ends_before_a_lease_does_that_can_t_be_renewed(clock: ManualClock) -> None:
    election = Election(clock)
    place = Workplace(election, clock)
    async with place.open():
        await clock.advance(5.0)
        election.away = True

        # Renewed at 5 the last time.
        await clock.advance(LEASE - 0.1)
        assert place.working == 2
        await clock.advance(0.1)
        assert place.working == 0

        election.away = False
        await clock.advance(5.0)
        assert place.working == 2


async def test_an_outage_shorter_than_the_lease_interrupts_nothing(clock: ManualClock) -> None:
    election = Election(clock)
    place = Workplace(election, clock)
    async with place.open():
        for _ in range(20):
            election.away = True
            await clock.advance(8.0)
            election.away = False
            await clock.advance(3.0)

        assert place.working == place.begun == 2


async def test_work_ends_before_a_lease_does_when_no_answer_comes(clock: ManualClock) -> None:
    election = Election(clock)
    place = Workplace(election, clock)
    async with place.open():
        election.answers.clear()
        await clock.advance(LEASE - 0.1)
        assert place.working == 2
        await clock.advance(0.1)
        assert place.working == 0

        election.answers.set()
        await settle()
        assert place.working == 2


async def test_a_lease_counts_from_before_it_was_asked_for(clock: ManualClock) -> None:
    election = Election(clock)
    place = Workplace(election, clock)
    election.answers.clear()
    async with place.open():
        await clock.advance(10.0)
        election.answers.set()
        await settle()
        assert place.working == 2

        # Asked for at 0, so it ends at 15, and there is no more to come.
        election.away = True
        await clock.advance(4.9)
        assert place.working == 2
        await clock.advance(0.1)
        assert place.working == 0


async def test_an_answer_that_comes_after_its_lease_is_worth_nothing(clock: ManualClock) -> None:
    election = Election(clock)
    place = Workplace(election, clock)
    election.answers.clear()
    async with place.open():
        await clock.advance(LEASE)
        election.answers.set()
        await settle()

        # It asks again, and that counts from then on.
        assert election.asked_at == [0.0, LEASE]
        await clock.advance(LEASE - 0.1)
        assert place.working == 2


async def test_nothing_spins_while_the_store_is_away(clock: ManualClock) -> None:
    election = Election(clock)
    async with Workplace(election, clock).open():
        election.away = True
        await clock.advance(HOUR)

    assert len(election.asked_at) <= 2 * (HOUR / 5 + LEASE)


async def test_those_whose_store_is_away_do_not_ask_again_together(clock: ManualClock) -> None:
    elections = [Election(clock) for _ in range(2)]
    async with AsyncExitStack() as stack:
        for election in elections:
            election.away = True
            await stack.enter_async_context(Workplace(election, clock).open())
        await clock.advance(60.0)

    one, other = (election.asked_at for election in elections)
    assert one[0] == other[0]
    assert not set(one[1:]) & set(other[1:])
    assert all(2.5 <= later - earlier <= 5.0 for earlier, later in pairwise(one))


class LeapingClock(ManualClock):
    """Also leaps, as a clock does for who was frozen."""

    async def leap(self, seconds: float) -> None:
        self._elapsed += seconds
        await self.advance(0)


async def test_who_was_frozen_for_longer_than_its_lease_stops_before_it_asks() -> None:
    clock = LeapingClock()
    election = Election(clock)
    place = Workplace(election, clock)
    async with place.open():
        await clock.advance(6.0)
        election.elects = False
        election.told.clear()

        await clock.leap(10 * LEASE)

        assert election.told == ["stopped", "stopped", "asked"]
        assert place.working == 0


async def test_on_leaving_the_work_ends_first_and_then_others_may_lead(clock: ManualClock) -> None:
    election = Election(clock)
    async with Workplace(election, clock).open():
        pass

    assert election.told == ["asked", "stopped", "stopped", "resigned"]


async def test_who_stands_by_has_nothing_to_give_up(clock: ManualClock) -> None:
    election = Election(clock)
    election.elects = False
    async with Workplace(election, clock).open():
        await clock.advance(20.0)

    assert set(election.told) == {"asked"}


async def test_who_may_have_been_elected_gives_it_up(clock: ManualClock) -> None:
    election = Election(clock)
    election.answers.clear()
    async with Workplace(election, clock).open():
        pass

    assert election.told == ["asked", "resigned"]


async def test_a_store_that_is_away_does_not_keep_anybody_from_leaving(clock: ManualClock) -> None:
    election = Election(clock)
    with capture_logs() as lines:
        async with Workplace(election, clock).open():
            election.away = True

    assert election.told == ["asked", "stopped", "stopped", "resigned"]
    assert lines[-1]["event"] == "lead not given up, it runs out"


async def test_work_that_fails_is_a_fault_of_the_service(clock: ManualClock) -> None:
    place = Workplace(Election(clock), clock)
    async with place.open() as tasks:
        place.fails.set()
        async with asyncio.timeout(10):
            assert "broken" in await tasks.fault


async def test_every_turn_is_said_once(clock: ManualClock) -> None:
    election = Election(clock)
    with capture_logs() as lines:
        async with Workplace(election, clock).open():
            await clock.advance(60.0)
            election.elects = False
            await clock.advance(60.0)
            election.elects = True
            await clock.advance(60.0)
            election.away = True
            await clock.advance(60.0)
            election.away = False
            await clock.advance(60.0)

    assert [(line["event"], line["cluster"]) for line in lines] == [
        (event, "shard-1")
        for event in (
            "supervisor leads",
            "supervisor stands by",
            "supervisor leads",
            "election does not answer",
            "lead lost, the lease could not be renewed",
            "election answers again",
            "supervisor leads",
        )
    ]
