"""What a supervisor sees of runs is kept, and is no burden to anything else."""

from dataclasses import replace
from datetime import timedelta

import pytest

from nexus_core.domain.checkpoint import Lease
from nexus_core.domain.journal import RunEventKind
from nexus_core.domain.names import RunKey
from nexus_core.domain.observation import PodPhase, Trouble
from nexus_core.domain.stages import Stage
from support.clock import ManualClock
from support.memory_journal import MemoryJournal
from support.observations import a_pod_status
from support.services import World
from support.stored_runs import store_run
from support.waiting import until

K = RunEventKind

# Longer than anything that was seen waits to be written.
WRITTEN = 10.0


@pytest.fixture
def journal(world: World) -> MemoryJournal:
    """A journal that keeps at once what it is given, so that turning the clock is enough."""
    journal = MemoryJournal()
    world.stores = replace(world.stores, journal=journal)
    return journal


async def kinds(journal: MemoryJournal, key: RunKey) -> list[K]:
    return [event.kind for event in await journal.events(key)]


async def written(journal: MemoryJournal, clock: ManualClock, key: RunKey, last: K) -> list[K]:
    """Let time pass until something was written of a run; return all that was."""
    while last not in (found := await kinds(journal, key)):
        await clock.advance(1)
    return found


async def test_what_is_told_of_a_run_is_kept(
    world: World, journal: MemoryJournal, clock: ManualClock
) -> None:
    key = await store_run(world, Stage.RUNNING)
    now = clock.now()
    async with world.supervisor():
        await until(lambda: world.cluster.followers)
        pod = a_pod_status(phase=PodPhase.RUNNING, scheduled_at=now, started_at=now)
        world.cluster.tell(key, started=True, pods=(pod,))
        assert await written(journal, clock, key, K.STARTED) == [K.SCHEDULED, K.STARTED]


async def test_what_nobody_told_is_kept_once_a_sweep_has_seen_it(
    world: World, journal: MemoryJournal, clock: ManualClock
) -> None:
    key = await store_run(world, Stage.RUNNING)
    why = Trouble(reason="Unschedulable", message="0/3 nodes", since=clock.now())
    world.cluster.become(key, pods=(a_pod_status(unschedulable=why),))
    async with world.supervisor():
        await written(journal, clock, key, K.UNSCHEDULABLE)

    (event,) = await journal.events(key)
    assert event.message == "0/3 nodes"


async def test_why_a_run_was_submitted_ahead_of_the_queue_is_kept(
    world: World, journal: MemoryJournal, clock: ManualClock
) -> None:
    late = await store_run(world, received_at=clock.now() - timedelta(hours=1))
    abandoned = await store_run(world, received_by_host="gone")
    lease = Lease(owner="gone", callback_url="http://127.0.0.1:1", expires_at=clock.now())
    await world.stores.leases.renew(lease)
    async with world.supervisor():
        for key, reason in ((late, "Late"), (abandoned, "OwnerGone")):
            await written(journal, clock, key, K.SUBMITTED_AHEAD)
            assert (await journal.events(key))[0].reason == reason


async def test_what_was_just_seen_is_written_when_the_supervisor_stops(
    world: World, journal: MemoryJournal, clock: ManualClock
) -> None:
    key = await store_run(world, Stage.RUNNING)
    now = clock.now()
    async with world.supervisor():
        await until(lambda: world.cluster.followers)
        pod = a_pod_status(phase=PodPhase.RUNNING, scheduled_at=now, started_at=now)
        world.cluster.fail(key, "DeadlineExceeded", pods=(pod,))
        await world.reaches(key, Stage.DEADLINE_EXCEEDED)
        assert not journal.writes

    assert await kinds(journal, key) == [K.JOB_ENDED, K.SCHEDULED, K.STARTED]


async def test_a_journal_that_hangs_delays_no_verdict(
    world: World, journal: MemoryJournal, clock: ManualClock
) -> None:
    journal.open_gate.clear()
    async with world.supervisor():
        await until(lambda: world.cluster.followers)
        for _ in range(3):
            key = await store_run(world, Stage.RUNNING)
            world.cluster.fail(key, "DeadlineExceeded")
            await world.reaches(key, Stage.DEADLINE_EXCEEDED)
            await clock.advance(WRITTEN)
        journal.open_gate.set()
