"""How a queue stands is written every few seconds, and when that changes."""

from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import pairwise

import pytest

from nexus_core.aio.tasks import BackgroundTasks
from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.journal import LaneSample, LaneState
from nexus_scheduler.lane_samples import LaneSampler
from support.clock import ManualClock, settle
from support.meddling import meddled
from support.memory_journal import MemoryJournal

OPEN, REFUSED = LaneState.OPEN, LaneState.REFUSED


class ScriptedLane:
    """A lane that stands as a test says."""

    def __init__(self, cluster: str, clock: ManualClock) -> None:
        self.cluster = cluster
        self.depth = 0
        self.state = OPEN
        self._clock = clock

    def __len__(self) -> int:
        return self.depth

    def sample(self, owner: str) -> LaneSample:
        return LaneSample(
            owner=owner,
            cluster=self.cluster,
            at=self._clock.now(),
            state=self.state,
            depth=self.depth,
            rate=50.0,
        )


@pytest.fixture
def journal() -> MemoryJournal:
    return MemoryJournal()


@pytest.fixture
def lanes(clock: ManualClock) -> list[ScriptedLane]:
    return [ScriptedLane("one", clock), ScriptedLane("two", clock)]


@pytest.fixture(autouse=True)
async def tasks(
    lanes: list[ScriptedLane], journal: MemoryJournal, clock: ManualClock
) -> AsyncIterator[BackgroundTasks]:
    sampler = LaneSampler(lanes, "scheduler-0", journal, clock)
    async with BackgroundTasks() as tasks:
        tasks.start("samples", sampler.sample_for_ever())
        await settle()
        yield tasks
        assert not tasks.fault.done()


async def written(journal: MemoryJournal, clock: ManualClock, cluster: str) -> list[LaneSample]:
    since = clock.now() - timedelta(hours=1)
    return list(await journal.lane("scheduler-0", cluster, since, clock.now(), 1000))


async def test_an_empty_lane_is_not_written(
    lanes: list[ScriptedLane], journal: MemoryJournal, clock: ManualClock
) -> None:
    lanes[0].depth = 3
    await clock.advance(30)
    assert await written(journal, clock, "one")
    assert not await written(journal, clock, "two")


async def test_a_lane_in_which_runs_wait_is_written_every_five_seconds(
    lanes: list[ScriptedLane], journal: MemoryJournal, clock: ManualClock
) -> None:
    lanes[0].depth = 3
    await clock.advance(21)
    times = [sample.at for sample in await written(journal, clock, "one")]
    first = times[0]
    assert times == [first + timedelta(seconds=5 * number) for number in range(5)]


async def test_a_change_is_written_within_a_second(
    lanes: list[ScriptedLane], journal: MemoryJournal, clock: ManualClock
) -> None:
    lanes[0].depth = 3
    await clock.advance(2)
    lanes[0].state = REFUSED
    await clock.advance(1)
    lanes[0].state = OPEN
    await clock.advance(1)
    assert [s.state for s in await written(journal, clock, "one")] == [OPEN, REFUSED, OPEN]


async def test_while_the_store_is_away_samples_are_lost_and_nothing_else(
    lanes: list[ScriptedLane], journal: MemoryJournal, clock: ManualClock
) -> None:
    lanes[0].depth = 3
    journal.away = True
    await clock.advance(12)
    journal.away = False
    await clock.advance(6)
    assert len(await written(journal, clock, "one")) in {1, 2}


async def test_those_whose_store_is_away_do_not_write_again_together(clock: ManualClock) -> None:
    tried: list[list[float]] = [[], []]
    async with BackgroundTasks() as tasks:
        for times in tried:

            async def record(_: LaneSample, times: list[float] = times) -> None:
                times.append(clock.monotonic())
                raise UnavailableError("the store is away")

            lanes = [ScriptedLane(cluster, clock) for cluster in ("one", "two")]
            for lane in lanes:
                lane.depth = 3
            away = meddled(MemoryJournal(), record_lane=record)
            sampler = LaneSampler(lanes, "scheduler-0", away, clock)
            tasks.start("samples", sampler.sample_for_ever())
        await clock.advance(60)
    one, other = tried
    assert one[0] == other[0]
    assert not set(one[1:]) & set(other[1:])
    # Of all lanes one is tried: what is away for it is away for the others.
    assert all(2.5 <= later - earlier <= 5 for earlier, later in pairwise(one))
