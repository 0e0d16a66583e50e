"""What `ports.retention` promises, sentence by sentence."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from nexus_core.domain.checkpoint import Checkpoint, IdempotencyKey, Lease, RunFilter
from nexus_core.domain.names import RunKey
from nexus_core.domain.retirement import EndingPlace, Kept
from nexus_core.domain.stages import FINISHED_STAGES, OPEN_STAGES, Stage, StageChange
from nexus_core.ports.retention import Retention
from support.clock import ManualClock
from support.every_store import Stores
from support.runs import a_buffered_job, a_checkpoint

CLUSTER = "standalone"
OWNER = "scheduler-0"
A_DAY = timedelta(days=1)


@pytest.fixture
def clock() -> ManualClock:
    # Not the time of other tests' runs, some of which are filed as if they had been received then.
    return ManualClock(datetime.fromisoformat("2026-06-01T23:50:00+00:00"))


async def a_run(
    stores: Stores, clock: ManualClock, stage: Stage = Stage.COMPLETED, **changes: object
) -> Checkpoint:
    """Accept a run now, and bring it to a stage."""
    now = clock.now()
    run = a_checkpoint(
        **{"received_at": now, "last_modified": now, "received_by_host": OWNER, **changes}
    )
    await stores.checkpoints.accept(run, a_buffered_job(run, CLUSTER))
    if stage is not Stage.BUFFERED:
        await stores.checkpoints.advance(run.key, StageChange(to=stage, at=now))
    return run


async def swept(stores: Stores, clock: ManualClock) -> datetime:
    """Let sweeps find what has ended; return a time after that."""
    for _ in range(2):
        await stores.index.open_runs(CLUSTER, clock.now(), 10)
        await clock.advance(60)
    await clock.advance(600)
    return clock.now()


async def ended(
    retention: Retention, before: datetime, after: EndingPlace | None = None, limit: int = 100
) -> list[RunKey]:
    return [ending.key for ending in await retention.ended(before, limit, after)]


# Finding what has ended.


@pytest.mark.parametrize("stage", sorted(FINISHED_STAGES))
async def test_a_run_has_ended_in_every_finished_stage(
    stores: Stores, retention: Retention, clock: ManualClock, stage: Stage
) -> None:
    run = await a_run(stores, clock, stage)

    assert await ended(retention, await swept(stores, clock)) == [run.key]


@pytest.mark.parametrize("stage", sorted(OPEN_STAGES - {Stage.NEW}))
async def test_an_open_run_has_not_ended_however_old_it_is(
    stores: Stores, retention: Retention, clock: ManualClock, stage: Stage
) -> None:
    await a_run(stores, clock, stage)
    await swept(stores, clock)
    await clock.advance(40 * A_DAY.total_seconds())

    assert not await ended(retention, await swept(stores, clock))


async def test_a_run_that_is_finished_as_it_begins_has_ended(
    stores: Stores, retention: Retention, clock: ManualClock
) -> None:
    dry = await a_run(stores, clock, Stage.BUFFERED, lifecycle_stage=Stage.COMPLETED)

    assert await ended(retention, await swept(stores, clock)) == [dry.key]


async def test_runs_stand_in_the_order_in_which_they_ended_and_one_that_goes_on_holds_up_none(
    stores: Stores, retention: Retention, clock: ManualClock
) -> None:
    long_one = await a_run(stores, clock, Stage.RUNNING)
    first = await a_run(stores, clock)
    await swept(stores, clock)
    second = await a_run(stores, clock)
    assert await ended(retention, await swept(stores, clock)) == [first.key, second.key]

    change = StageChange(to=Stage.COMPLETED, at=clock.now())
    await stores.checkpoints.advance(long_one.key, change)

    found = await ended(retention, await swept(stores, clock))
    assert found == [first.key, second.key, long_one.key]


async def test_what_ended_later_than_asked_for_is_not_told(
    stores: Stores, retention: Retention, clock: ManualClock
) -> None:
    first = await a_run(stores, clock)
    between = await swept(stores, clock)
    await a_run(stores, clock)
    await swept(stores, clock)

    assert await ended(retention, between) == [first.key]


async def test_pages_follow_each_other_over_days_and_leave_nothing_out(
    stores: Stores, retention: Retention, clock: ManualClock
) -> None:
    # Some were received long before they end, so that their place is another than others' by then.
    long_ones = [await a_run(stores, clock, Stage.RUNNING) for _ in range(4)]
    runs = [run.key for run in long_ones]
    for long_one in long_ones:
        runs += [(await a_run(stores, clock)).key for _ in range(4)]
        change = StageChange(to=Stage.COMPLETED, at=clock.now())
        await stores.checkpoints.advance(long_one.key, change)
        await swept(stores, clock)
        await clock.advance(A_DAY.total_seconds() / 2)

    found: list[RunKey] = []
    place = None
    while page := await retention.ended(clock.now(), 3, place):
        assert len(page) <= 3
        found += [ending.key for ending in page]
        assert len(found) <= len(runs)
        place = page[-1].place

    assert sorted(found) == sorted(runs)


async def test_a_place_is_remembered_by_whoever_goes_on(
    retention: Retention, clock: ManualClock
) -> None:
    assert await retention.place(Kept.PAYLOAD) is None
    place = EndingPlace(clock.now(), "7")

    await retention.move_on(Kept.PAYLOAD, EndingPlace(clock.now() - A_DAY, "3"))
    await retention.move_on(Kept.PAYLOAD, place)
    await retention.move_on(Kept.PAYLOAD, place)

    assert await retention.place(Kept.PAYLOAD) == place
    assert await retention.place(Kept.RECORD) is None


async def test_a_place_that_is_a_time_alone_comes_before_the_runs_of_that_time(
    stores: Stores, retention: Retention, clock: ManualClock
) -> None:
    run = await a_run(stores, clock)
    now = await swept(stores, clock)
    (ending,) = await retention.ended(now, 10)

    assert await ended(retention, now, EndingPlace(ending.place.at)) == [run.key]
    assert not await ended(retention, now, ending.place)


# Removing.


async def test_a_buffered_job_goes_and_its_run_stays(
    stores: Stores, retention: Retention, clock: ManualClock
) -> None:
    run, other = await a_run(stores, clock), await a_run(stores, clock)

    for _ in range(2):
        await retention.remove_jobs([run.key])

    assert await stores.checkpoints.find_job(run.key) is None
    found = await stores.checkpoints.find(run.key)
    assert found is not None
    assert found.lifecycle_stage is Stage.COMPLETED
    assert await stores.checkpoints.find_job(other.key) is not None


async def listed(stores: Stores, where: RunFilter) -> list[RunKey]:
    return [run.key for run in await stores.index.runs(where, 100)]


async def test_nothing_is_left_of_a_removed_run(
    stores: Stores, retention: Retention, clock: ManualClock
) -> None:
    run = await a_run(stores, clock, tag="nightly-removal")
    now = await swept(stores, clock)
    assert run.key in await ended(retention, now)

    await retention.remove_records([run.key])

    assert await stores.checkpoints.find(run.key) is None
    assert await stores.checkpoints.find_job(run.key) is None
    assert not await stores.index.tagged("nightly-removal")
    assert not await listed(stores, RunFilter())
    assert not await listed(stores, RunFilter(stages=frozenset({Stage.COMPLETED})))
    assert not await listed(stores, RunFilter(algorithm=run.algorithm))


@pytest.mark.parametrize("stage", sorted(OPEN_STAGES - {Stage.NEW}))
async def test_an_open_run_can_not_be_removed(
    stores: Stores, retention: Retention, clock: ManualClock, stage: Stage
) -> None:
    run = await a_run(stores, clock, stage)

    await retention.remove_records([run.key])

    found = await stores.checkpoints.find(run.key)
    assert found is not None
    assert found.lifecycle_stage is stage
    assert await stores.checkpoints.find_job(run.key) is not None


async def test_removing_again_changes_nothing_and_others_stay(
    stores: Stores, retention: Retention, clock: ManualClock
) -> None:
    runs = [await a_run(stores, clock) for _ in range(60)]
    gone, kept = [run.key for run in runs[:50]], [run.key for run in runs[50:]]

    for _ in range(2):
        await retention.remove_records(gone)

    assert await all_found(stores, kept) == kept
    assert not await all_found(stores, gone)


async def all_found(stores: Stores, keys: Sequence[RunKey]) -> list[RunKey]:
    return [key for key in keys if await stores.checkpoints.find(key)]


@pytest.mark.parametrize("to", sorted(FINISHED_STAGES | {Stage.RUNNING}))
async def test_a_writer_that_comes_late_brings_no_removed_run_back(
    stores: Stores, retention: Retention, clock: ManualClock, to: Stage
) -> None:
    run = await a_run(stores, clock)
    await retention.remove_records([run.key])

    advance = await stores.checkpoints.advance(run.key, StageChange(to=to, at=clock.now()))
    tagged = await stores.checkpoints.retag(run.key, "late", clock.now())

    assert (advance.applied, advance.stage, tagged) == (False, None, False)
    assert await stores.checkpoints.find(run.key) is None


# What nobody needs any more.


async def test_tidying_leaves_what_is_still_to_be_removed(
    stores: Stores, retention: Retention, clock: ManualClock
) -> None:
    await a_run(stores, clock)
    between = await swept(stores, clock)
    await clock.advance(A_DAY.total_seconds())
    later = await a_run(stores, clock)
    now = await swept(stores, clock)

    for _ in range(2):
        await retention.tidy(between, now)

    assert later.key in await ended(retention, now)


async def test_tidying_leaves_leases_and_keys_that_count(
    stores: Stores, retention: Retention, clock: ManualClock
) -> None:
    now = clock.now()
    lease = Lease(owner="retention", callback_url="", expires_at=now - timedelta(hours=1))
    await stores.leases.renew(lease)
    run = a_checkpoint()
    key = IdempotencyKey(
        algorithm=run.algorithm, key=run.id, fingerprint="f", expires_at=now + A_DAY
    )
    await stores.checkpoints.accept(run, a_buffered_job(run), key)

    await retention.tidy(now, now)

    assert lease in await stores.leases.expired(now)
    assert await stores.checkpoints.find_submission(key) is not None


async def test_the_store_says_after_how_long_it_drops_records_by_itself(
    retention: Retention,
) -> None:
    assert await retention.expiry() in {None, timedelta(days=30)}
