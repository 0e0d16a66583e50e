"""What has had its time goes, with the times that operators get by default, and nothing else."""

import asyncio
import os
from collections.abc import AsyncIterator
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from nexus_core.aio.tasks import BackgroundTasks
from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.names import RunKey
from nexus_core.domain.observation import JobStatus
from nexus_core.domain.retirement import Kept
from nexus_core.domain.stages import FINISHED_STAGES, Stage, StageChange
from nexus_core.ports.payload_store import Content
from nexus_core.settings.values import Duration
from nexus_supervisor.rounds import ROLE
from nexus_supervisor.settings import Retention
from support.calls import Client
from support.clock import ManualClock
from support.meddling import meddled
from support.receiver_client import metric
from support.retiring import a_retirer, a_search, the_rounds
from support.services import World
from support.stored_runs import store_run
from support.trouble import Trouble
from support.waiting import until

MINUTE = 60.0
HOUR = 3600.0
DAY = 24 * HOUR


async def a_run(world: World, stage: Stage = Stage.COMPLETED) -> RunKey:
    """A run that has all that a run can have, brought to its stage now."""
    key = await store_run(world, stage)
    for content in Content:
        await world.stores.payloads.put(content, key, b"content")
    return key


async def left(world: World, key: RunKey) -> set[Kept]:
    """What is still kept of a run."""
    stores = world.stores
    found = {
        Kept.JOB: await stores.store.find_job(key),
        Kept.PAYLOAD: await stores.payloads.size(Content.PAYLOAD, key),
        Kept.RESULT: await stores.payloads.size(Content.RESULT, key),
        Kept.RECORD: await stores.store.find(key),
    }
    return {kept for kept, thing in found.items() if thing is not None}


ALL = set(Kept)


# Each thing in its time.


@pytest.mark.parametrize(
    ("days", "kept"),
    [
        (0.9, ALL),
        (1.1, ALL - {Kept.JOB}),
        (6.9, ALL - {Kept.JOB}),
        (7.1, {Kept.RESULT, Kept.RECORD}),
        (29.9, {Kept.RESULT, Kept.RECORD}),
        (30.1, set()),
    ],
)
async def test_what_is_kept_of_a_run_goes_piece_by_piece(
    world: World, clock: ManualClock, days: float, kept: set[Kept]
) -> None:
    key = await a_run(world)
    await clock.advance(days * DAY)

    assert not await a_retirer(world).retire()

    assert await left(world, key) == kept


@pytest.mark.parametrize("stage", sorted(FINISHED_STAGES))
async def test_a_run_goes_however_it_ended(world: World, clock: ManualClock, stage: Stage) -> None:
    key = await a_run(world, stage)
    await clock.advance(31 * DAY)

    await a_retirer(world).retire()

    assert not await left(world, key)


@pytest.mark.parametrize("stage", [Stage.NEW, Stage.BUFFERED, Stage.RUNNING])
async def test_nothing_of_an_open_run_goes_however_old_it_is(
    world: World, clock: ManualClock, stage: Stage
) -> None:
    key = await a_run(world, stage)
    await clock.advance(400 * DAY)

    await a_retirer(world).retire()
    await a_search(world).search()

    assert await left(world, key) == ALL


async def test_time_counts_from_the_end_of_a_run(world: World, clock: ManualClock) -> None:
    retirer = a_retirer(world)
    key = await a_run(world, Stage.RUNNING)
    for _ in range(40):
        await clock.advance(DAY)
        await retirer.retire()
    await world.stores.store.advance(key, StageChange(to=Stage.COMPLETED, at=clock.now()))
    await clock.advance(0.5 * DAY)
    await retirer.retire()
    assert await left(world, key) == ALL

    await clock.advance(0.6 * DAY)
    await retirer.retire()
    assert await left(world, key) == ALL - {Kept.JOB}

    await clock.advance(30 * DAY)
    await retirer.retire()
    assert not await left(world, key)


async def test_what_is_set_to_nothing_is_kept_for_good(world: World, clock: ManualClock) -> None:
    settings = Retention(results=Duration(0), records=Duration(0))
    key = await a_run(world)
    await clock.advance(400 * DAY)

    await a_retirer(world, settings).retire()

    assert await left(world, key) == {Kept.RESULT, Kept.RECORD}


async def test_a_result_that_lies_elsewhere_is_not_touched(
    world: World, clock: ManualClock, trouble: Trouble
) -> None:
    key = await store_run(world, Stage.RUNNING)
    change = StageChange(to=Stage.COMPLETED, at=clock.now(), result_uri="s3a://theirs/result")
    await world.stores.store.advance(key, change)
    await clock.advance(31 * DAY)

    await a_retirer(world).retire()

    # By its own place, which follows from the key alone, and by no URI that a run names.
    removed = {call.arguments for call in trouble.answers("delete")}
    assert removed == {(Content.PAYLOAD, key), (Content.RESULT, key)}


# A little at a time.


async def test_a_round_ends_when_its_time_is_over_and_the_next_goes_on(
    world: World, clock: ManualClock
) -> None:
    keys = [await a_run(world) for _ in range(10)]
    await clock.advance(2 * DAY)
    settings = Retention(pass_time=Duration(0), portion=3)
    rounds = 0

    while await a_retirer(world, settings).retire():
        rounds += 1

    assert rounds == 4
    assert [await left(world, key) for key in keys] == [ALL - {Kept.JOB}] * 10


async def test_what_was_looked_at_is_not_looked_at_again_whoever_goes_on(
    world: World, clock: ManualClock, trouble: Trouble
) -> None:
    for _ in range(5):
        await a_run(world)
    await clock.advance(8 * DAY)
    await a_retirer(world).retire()
    assert len(trouble.answers("delete")) == 5

    await clock.advance(MINUTE)
    await a_retirer(world).retire()

    assert len(trouble.answers("delete")) == 5


async def test_a_supervisor_that_died_before_it_remembered_removes_once_more(
    world: World, clock: ManualClock, trouble: Trouble
) -> None:
    keys = [await a_run(world) for _ in range(5)]
    await clock.advance(31 * DAY)
    trouble.breaks("move_on")
    await a_retirer(world).retire()

    trouble.is_over()
    await a_retirer(world).retire()

    assert [await left(world, key) for key in keys] == [set()] * 5


# Parts that are away.


async def test_a_payload_store_that_is_away_holds_up_records_and_nothing_else(
    world: World, clock: ManualClock, trouble: Trouble
) -> None:
    key = await a_run(world)
    await clock.advance(31 * DAY)
    trouble.breaks("delete")
    await a_retirer(world).retire()
    assert await left(world, key) == ALL - {Kept.JOB}

    trouble.is_over()
    await a_retirer(world).retire()
    assert not await left(world, key)


async def test_a_supervisor_without_a_payload_store_removes_what_it_can(
    world: World, clock: ManualClock
) -> None:
    key = await a_run(world)
    await clock.advance(31 * DAY)

    await a_retirer(world, payloads=None).retire()

    assert await left(world, key) == {Kept.PAYLOAD, Kept.RESULT}


async def test_records_wait_for_a_supervisor_that_has_a_payload_store(
    world: World, clock: ManualClock
) -> None:
    await a_retirer(world).retire()
    key = await a_run(world)
    await clock.advance(31 * DAY)

    await a_retirer(world, payloads=None).retire()
    assert await left(world, key) == ALL - {Kept.JOB}

    await a_retirer(world).retire()
    assert not await left(world, key)


# Jobs that are still there.


async def test_a_job_that_outlived_its_run_goes_before_the_record(
    world: World, clock: ManualClock
) -> None:
    key = await a_run(world, Stage.RUNNING)
    await world.stores.store.advance(key, StageChange(to=Stage.COMPLETED, at=clock.now()))
    await clock.advance(31 * DAY)

    await a_retirer(world).retire()

    assert key not in world.cluster.living
    assert not await left(world, key)


async def test_a_record_waits_while_the_cluster_of_its_job_is_away(
    world: World, clock: ManualClock
) -> None:
    key = await a_run(world, Stage.RUNNING)
    await world.stores.store.advance(key, StageChange(to=Stage.COMPLETED, at=clock.now()))
    await clock.advance(31 * DAY)
    world.cluster.refusal = UnavailableError("no route to the cluster")
    await a_retirer(world).retire()
    assert await left(world, key) == {Kept.RECORD}

    world.cluster.refusal = None
    await a_retirer(world).retire()
    assert not await left(world, key)


async def test_the_jobs_of_a_cluster_are_listed_once_for_many_portions(
    world: World, clock: ManualClock
) -> None:
    for _ in range(6):
        await a_run(world)
    await clock.advance(31 * DAY)
    listings = 0

    def jobs() -> AsyncIterator[JobStatus]:
        nonlocal listings
        listings += 1
        return world.cluster.jobs()

    counted = meddled(world.cluster, jobs=jobs)
    retirer = a_retirer(world, Retention(portion=2), clusters={counted.name: counted})
    await retirer.retire()

    assert listings == 1


# What others wrote.


async def test_a_run_under_a_name_of_others_holds_up_no_removal(
    world: World, clock: ManualClock
) -> None:
    theirs = await store_run(world, Stage.COMPLETED, algorithm="Their_Algorithm")
    ours = await a_run(world)
    await clock.advance(31 * DAY)

    await a_retirer(world).retire()

    assert not await left(world, ours)
    assert await world.stores.store.find(theirs) is None


# Content without a run.


def grow_old(world: World, days: float) -> None:
    """Let all stored files be as old as that, by the clock of the world."""
    at = world.clock.now().timestamp() - days * DAY
    for path in Path(world.folder).glob("payloads/algorithm=*/*"):
        os.utime(path, (at, at))


async def orphaned(world: World) -> RunKey:
    """Content whose scheduler died before it recorded the run."""
    key = RunKey("hello-world", "0197a5f0-0000-7000-8000-000000000000")
    for content in Content:
        await world.stores.payloads.put(content, key, b"content")
    return key


@pytest.mark.parametrize(
    ("days", "kept"),
    [
        (6, {Kept.PAYLOAD, Kept.RESULT}),
        (8, {Kept.RESULT}),
        (31, set()),
    ],
)
async def test_content_of_no_run_goes_in_its_time(
    world: World, days: float, kept: set[Kept]
) -> None:
    key = await orphaned(world)
    grow_old(world, days)

    await a_search(world).search()

    assert await left(world, key) == kept


async def test_content_is_not_taken_for_an_orphan_before_its_run_can_be_recorded(
    world: World,
) -> None:
    key = await orphaned(world)
    grow_old(world, 0.5 * HOUR / DAY)
    soon = Retention(payloads=Duration(1), results=Duration(1))

    await a_search(world, soon).search()

    assert await left(world, key) == {Kept.PAYLOAD, Kept.RESULT}


async def test_content_that_is_kept_for_good_is_not_searched_for(world: World) -> None:
    key = await orphaned(world)
    grow_old(world, 400)

    await a_search(world, Retention(payloads=Duration(0), results=Duration(0))).search()

    assert await left(world, key) == {Kept.PAYLOAD, Kept.RESULT}


async def test_content_that_removal_passed_over_is_found_by_the_search(
    world: World, clock: ManualClock
) -> None:
    key = await a_run(world)
    grow_old(world, 1)
    await clock.advance(8 * DAY)

    await a_search(world).search()

    assert await left(world, key) == {Kept.JOB, Kept.RESULT, Kept.RECORD}


# On its timer.


async def rounds(supervisor: Client) -> float:
    return await metric(supervisor, "nexus_supervisor_removal_duration_seconds_count")


async def test_a_supervisor_removes_on_a_timer_of_its_own_and_counts_it(
    world: World, clock: ManualClock
) -> None:
    key = await a_run(world)
    await clock.advance(31 * DAY)
    async with world.supervisor() as url:
        supervisor = Client(world.session, url)
        await until(lambda: clock.sleepers == 4)
        assert await left(world, key) == ALL

        await clock.advance(MINUTE)
        async with asyncio.timeout(10):
            while not await rounds(supervisor):
                pass

        assert not await left(world, key)
        for kept in Kept:
            removed = "nexus_supervisor_removed_for_age_total"
            assert await metric(supervisor, removed, kept=kept) == 1
            assert await metric(supervisor, "nexus_supervisor_removal_lag_seconds", kept=kept) == 0


def asked(trouble: Trouble) -> int:
    """Count who asked whether to remove."""
    return sum(call.arguments[0] == ROLE for call in trouble.answers("lead"))


def has_asked(trouble: Trouble, times: int) -> bool:
    return asked(trouble) >= times


async def test_of_two_supervisors_one_removes(
    world: World, clock: ManualClock, trouble: Trouble
) -> None:
    async with world.supervisor(host_name="one") as url, world.supervisor(host_name="two") as other:
        await until(lambda: clock.sleepers == 7)
        for number in range(3):
            await clock.advance(MINUTE)
            await until(partial(has_asked, trouble, 2 * (number + 1)))
            await until(lambda: clock.sleepers == 7)

        clients = Client(world.session, url), Client(world.session, other)
        assert sorted([await rounds(client) for client in clients]) == [0, 3]


async def test_when_who_removes_stops_another_does_at_its_next_round(
    world: World, clock: ManualClock
) -> None:
    for name in ("one", "two", "three"):
        async with world.supervisor(host_name=name) as url:
            await until(lambda: clock.sleepers == 4)
            await clock.advance(MINUTE)
            async with asyncio.timeout(10):
                while not await rounds(Client(world.session, url)):
                    pass


async def test_a_round_that_hangs_holds_up_no_sweep(
    world: World, clock: ManualClock, trouble: Trouble
) -> None:
    key = await a_run(world)
    await clock.advance(31 * DAY)
    gate = trouble.holds_up(key)
    async with world.supervisor() as url:
        supervisor = Client(world.session, url)
        await until(lambda: clock.sleepers == 4)
        await clock.advance(MINUTE)
        await until(lambda: key in trouble.waiting)
        before = await metric(supervisor, "nexus_supervisor_sweep_duration_seconds_count")
        for _ in range(3):
            await clock.advance(10)
            await until(lambda: clock.sleepers == 3)

        after = await metric(supervisor, "nexus_supervisor_sweep_duration_seconds_count")
        assert after >= before + 3
        assert await rounds(supervisor) == 0
        gate.set()


async def test_a_fault_of_removal_is_no_end_of_the_supervisor(
    world: World, clock: ManualClock, trouble: Trouble
) -> None:
    key = await a_run(world)
    await clock.advance(31 * DAY)
    trouble.breaks("ended", error=RuntimeError("nobody thought of it"))
    async with world.supervisor() as url:
        await until(lambda: clock.sleepers == 4)
        await clock.advance(MINUTE)
        # Asked for just before the fault.
        await until(lambda: len(trouble.answers("expiry")) == 1)
        assert await left(world, key) == ALL

        trouble.is_over()
        async with asyncio.timeout(10):
            while await left(world, key):
                await clock.advance(MINUTE)
        assert await rounds(Client(world.session, url))


async def test_while_the_store_is_away_a_round_is_tried_twice_an_interval_at_most(
    world: World, clock: ManualClock, trouble: Trouble
) -> None:
    async with world.supervisor() as url:
        await until(lambda: clock.sleepers == 4)
        trouble.breaks("place")
        before = asked(trouble)
        await clock.advance(10 * MINUTE)
        await until(lambda: clock.sleepers == 4)
        assert before < asked(trouble) <= before + 20
        assert await rounds(Client(world.session, url)) == 0


async def test_those_whose_store_is_away_do_not_come_again_together(
    world: World, clock: ManualClock
) -> None:
    asked_at: list[list[float]] = [[], []]
    async with BackgroundTasks() as tasks:
        for times in asked_at:

            async def lead(*_: object, times: list[float] = times) -> bool:
                times.append(clock.monotonic())
                raise UnavailableError("the store is away")

            election = meddled(world.stores.election, lead=lead)
            tasks.start("retention", the_rounds(world, election=election).go_on())
        await clock.advance(10 * MINUTE)
    one, other = asked_at
    assert one[0] == other[0]
    assert not set(one[1:]) & set(other[1:])
    assert all(MINUTE / 2 <= later - earlier <= MINUTE for earlier, later in pairwise(one))
