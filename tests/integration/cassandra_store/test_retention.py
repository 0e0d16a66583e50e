"""What removal leaves in the tables of Cassandra, and what it costs."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from nexus_core.adapters.cassandra.errors import NotReachedError, OutcomeUnknownError
from nexus_core.adapters.cassandra.session import CqlSession, Row, Statement
from nexus_core.adapters.cassandra.stores import (
    CassandraStores,
    Variant,
    open_cassandra_stores,
)
from nexus_core.domain.checkpoint import Checkpoint
from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.journal import LogTail, RunEvent, RunEventKind
from nexus_core.domain.names import RunKey
from nexus_core.domain.request import ParentReference
from nexus_core.domain.retirement import Kept
from nexus_core.domain.stages import Stage, StageChange
from nexus_core.ports.payload_store import Content
from nexus_core.settings.values import Duration
from nexus_supervisor.settings import Retention
from support.cassandra_stores import forget_all
from support.clock import ManualClock
from support.meddling import meddled
from support.recording_session import Record
from support.retiring import a_retirer
from support.runs import a_buffered_job, a_checkpoint
from support.services import open_world

pytestmark = pytest.mark.integration

CLUSTER = "removal"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime.fromisoformat("2026-07-01T22:00:00+00:00"))


@pytest.fixture(autouse=True)
async def nothing_before(session: CqlSession, variant: Variant) -> None:
    await forget_all(session, indexed=variant.indexed)


async def a_run(stores: CassandraStores, clock: ManualClock) -> Checkpoint:
    """A finished run that has a row in every table that runs have rows in."""
    now = clock.now()
    run = a_checkpoint(received_at=now, last_modified=now, tag="removal", algorithm="removal")
    await stores.checkpoints.accept(run, a_buffered_job(run, CLUSTER))
    child = a_checkpoint(
        received_at=now,
        last_modified=now,
        algorithm="removal-child",
        parent=ParentReference(request_id=run.id, algorithm_name=run.algorithm),
    )
    await stores.checkpoints.accept(child, a_buffered_job(child, CLUSTER))
    change = StageChange(to=Stage.COMPLETED, at=now)
    await stores.checkpoints.advance(run.key, change)
    await stores.afterwork.settle()
    event = RunEvent(key=run.key, at=now, kind=RunEventKind.STARTED)
    await stores.journal.record([event])
    await stores.journal.keep_log(run.key, LogTail(text="the end", at=now))
    return run


async def swept(stores: CassandraStores, clock: ManualClock) -> None:
    for _ in range(2):
        await stores.index.open_runs(CLUSTER, clock.now(), 10)
        await clock.advance(60)
    await clock.advance(600)


async def ended(stores: CassandraStores, clock: ManualClock) -> list[RunKey]:
    return [one.key for one in await stores.retention.ended(clock.now(), 100)]


async def rows_of(session: CqlSession, variant: Variant, run: Checkpoint) -> dict[str, int]:
    """How many rows name a run, by table, but for the parts that open runs were filed in."""
    of_run = f"algorithm = '{run.algorithm}' AND id = '{run.id}'"
    tables = {
        "checkpoints": of_run,
        "submission_buffer": of_run,
        "run_events": of_run,
        "log_tails": of_run,
        "children": f"parent_algorithm = '{run.algorithm}' AND parent_id = '{run.id}'",
        "finished_runs": f"{of_run} ALLOW FILTERING",
    }
    if not variant.indexed:
        tables["checkpoints_by_tag"] = f"tag = '{run.tag}' AND id = '{run.id}'"
        host = f"host = '{run.received_by_host}' AND lifecycle_stage = 'COMPLETED'"
        tables["checkpoints_by_host"] = f"{host} AND id = '{run.id}'"
    return {
        table: len(await session.execute(Statement(f"SELECT * FROM {table} WHERE {where}")))  # noqa: S608 - names of ours
        for table, where in tables.items()
    }


async def test_no_table_has_a_row_of_a_removed_run(
    session: CqlSession, stores: CassandraStores, variant: Variant, clock: ManualClock
) -> None:
    run, other = await a_run(stores, clock), await a_run(stores, clock)
    await swept(stores, clock)
    before = await rows_of(session, variant, run)
    assert before == {**dict.fromkeys(before, 1), "finished_runs": 2}

    await stores.retention.remove_records([run.key])

    assert await rows_of(session, variant, run) == dict.fromkeys(before, 0)
    assert await rows_of(session, variant, other) == before


@pytest.mark.parametrize("step", range(3))
@pytest.mark.parametrize("trouble", [NotReachedError, OutcomeUnknownError])
async def test_a_removal_that_breaks_off_at_any_step_is_completed_by_the_next(
    session: CqlSession,
    stores: CassandraStores,
    variant: Variant,
    clock: ManualClock,
    step: int,
    trouble: type[UnavailableError],
) -> None:
    """Each step fails before it happens, or after: then it is unknown whether it did."""
    run = await a_run(stores, clock)
    await swept(stores, clock)
    steps = 0

    async def one(send: Callable[[], Awaitable[Any]]) -> Any:
        nonlocal steps
        steps += 1
        if steps - 1 < step:
            return await send()
        if trouble is OutcomeUnknownError:
            await send()
        raise trouble("gone")

    async def execute(statement: Statement, values: Any = ()) -> list[Row]:
        found: list[Row] = await one(lambda: session.execute(statement, values))
        return found

    async def batch(writes: Sequence[Any]) -> None:
        await one(lambda: session.batch(writes))

    async def apply(statement: Statement, values: Any = ()) -> Any:
        return await one(lambda: session.apply(statement, values))

    dying = meddled(session, execute=execute, batch=batch, apply=apply)
    # Opened on the sound session: what is prepared at the start is no step of the removal.
    async with open_cassandra_stores(dying, clock, variant) as supervisor:
        with pytest.raises(UnavailableError):
            await supervisor.retention.remove_records([run.key])

    await stores.retention.remove_records([run.key])

    assert not any((await rows_of(session, variant, run)).values())


async def test_a_record_costs_a_read_a_batch_and_a_transaction(
    session: CqlSession, stores: CassandraStores, variant: Variant, clock: ManualClock
) -> None:
    run = await a_run(stores, clock)
    await swept(stores, clock)
    record = Record()
    async with open_cassandra_stores(record.of(session), clock, variant) as counted:
        record.taken()
        await counted.retention.remove_records([run.key])

    kinds = sorted(trip.split()[0] for trip in record.taken())
    assert kinds == ["apply", "batch", "execute"]


async def test_a_round_with_nothing_to_remove_asks_a_few_times_whatever_was_before(
    session: CqlSession, stores: CassandraStores, variant: Variant, clock: ManualClock
) -> None:
    for _ in range(4):
        await a_run(stores, clock)
        await swept(stores, clock)
        await clock.advance(24 * 3600)
    (*_, last) = await stores.retention.ended(clock.now(), 100)
    await stores.retention.move_on(Kept.PAYLOAD, last.place)
    record = Record()
    async with open_cassandra_stores(record.of(session), clock, variant) as counted:
        record.taken()
        place = await counted.retention.place(Kept.PAYLOAD)
        assert not await counted.retention.ended(clock.now(), 100, place)

    # The place, the day it lies in and the next one, and the minute that it stands in.
    assert sum(record.taken().values()) <= 4


async def test_minutes_whose_runs_are_done_with_are_dropped_whole_and_no_others(
    session: CqlSession, stores: CassandraStores, clock: ManualClock
) -> None:
    runs = []
    for _ in range(3):
        runs.append(await a_run(stores, clock))
        await swept(stores, clock)
        await clock.advance(24 * 3600)
    endings = await stores.retention.ended(clock.now(), 100)
    assert [one.key for one in endings] == [run.key for run in runs]

    await stores.retention.tidy(endings[-1].place.at, clock.now())

    assert await ended(stores, clock) == [runs[-1].key]
    minutes = await session.execute(Statement("SELECT minute FROM endings"))
    assert len(minutes) == 1
    days = await session.execute(Statement("SELECT DISTINCT day FROM ending_minutes"))
    assert len(days) == 1

    await stores.retention.tidy(clock.now() - timedelta(minutes=6), clock.now())
    assert not await ended(stores, clock)


async def test_what_was_filed_just_now_is_not_told_as_more_may_come_before_it(
    stores: CassandraStores, clock: ManualClock
) -> None:
    run = await a_run(stores, clock)
    for _ in range(2):
        await stores.index.open_runs(CLUSTER, clock.now(), 10)
        await clock.advance(60)
    assert not await ended(stores, clock)

    await clock.advance(300)
    assert await ended(stores, clock) == [run.key]


async def test_what_is_kept_but_a_minute_is_removed_though_its_end_was_told_late(
    stores: CassandraStores, clock: ManualClock, tmp_path: Path
) -> None:
    async with open_world(tmp_path, clock) as world:
        retirer = a_retirer(
            world,
            Retention(payloads=Duration(60)),
            store=stores.checkpoints,
            retention=stores.retention,
        )
        run = await a_run(stores, clock)
        await world.stores.payloads.put(Content.PAYLOAD, run.key, b"{}")
        for _ in range(4):
            await stores.index.open_runs(CLUSTER, clock.now(), 10)
            await clock.advance(60)
        # Its time is over, and the store does not tell of it yet.
        await retirer.retire()
        await clock.advance(600)
        await retirer.retire()
        assert await world.stores.payloads.size(Content.PAYLOAD, run.key) is None


async def test_the_time_to_live_that_people_set_is_told(
    session: CqlSession, stores: CassandraStores
) -> None:
    assert await stores.retention.expiry() == timedelta(days=30)
    try:
        await session.define("ALTER TABLE checkpoints WITH default_time_to_live = 0")
        assert await stores.retention.expiry() is None
    finally:
        await session.define("ALTER TABLE checkpoints WITH default_time_to_live = 2592000")
