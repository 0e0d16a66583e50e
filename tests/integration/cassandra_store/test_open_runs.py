"""Sweeps over days: what is open is found, and what has finished is not waded through."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from nexus_core.adapters.cassandra import statements
from nexus_core.adapters.cassandra.connect import DriverName, open_session
from nexus_core.adapters.cassandra.errors import NotReachedError
from nexus_core.adapters.cassandra.session import CqlSession, Statement
from nexus_core.adapters.cassandra.stores import CassandraStores, open_cassandra_stores
from nexus_core.domain.checkpoint import Checkpoint, OpenRun, RunCursor, RunFilter
from nexus_core.domain.stages import Stage, StageChange
from support.cassandra import LIMITS, plan_of
from support.cassandra_stores import INDEXED, schema_of
from support.clock import ManualClock
from support.meddling import meddled
from support.recording_session import Record
from support.runs import LONG_AGO, a_buffered_job, a_checkpoint
from tools.testbed.description import CassandraDescription

pytestmark = pytest.mark.integration

CLUSTER = "east"


@pytest.fixture(scope="module")
def keyspace(cassandra_server: CassandraDescription) -> Iterator[str]:
    """One of its own: the server counts tombstones by table, for as long as the table is there."""
    with schema_of(cassandra_server, indexed=True) as name:
        yield name


@pytest.fixture
async def session(
    cassandra_server: CassandraDescription, keyspace: str
) -> AsyncIterator[CqlSession]:
    plan = plan_of(cassandra_server, keyspace)
    async with open_session(plan, LIMITS, DriverName.ACSYLLA) as session:
        yield session


@pytest.fixture
def record() -> Record:
    return Record()


@pytest.fixture
async def supervisor(
    session: CqlSession, clock: ManualClock, record: Record
) -> AsyncIterator[CassandraStores]:
    async with open_cassandra_stores(record.of(session), clock, INDEXED) as stores:
        yield stores


@pytest.fixture
async def scheduler(session: CqlSession, clock: ManualClock) -> AsyncIterator[CassandraStores]:
    async with open_cassandra_stores(session, clock, INDEXED) as stores:
        yield stores


async def sweep(stores: CassandraStores, cluster: str = CLUSTER) -> list[OpenRun]:
    found: list[OpenRun] = []
    after = None
    later = LONG_AGO + timedelta(days=100)
    while page := await stores.index.open_runs(cluster, later, 100, after):
        found += page
        after = RunCursor(page[-1].received_at, page[-1].key.request_id)
    return found


async def accept(
    stores: CassandraStores, clock: ManualClock, count: int, cluster: str = CLUSTER
) -> list[Checkpoint]:
    runs = [
        a_checkpoint(received_at=clock.now(), last_modified=clock.now(), algorithm="tsp")
        for _ in range(count)
    ]
    await asyncio.gather(
        *(stores.checkpoints.accept(run, a_buffered_job(run, cluster)) for run in runs)
    )
    return runs


async def finish(stores: CassandraStores, runs: Sequence[Checkpoint], clock: ManualClock) -> None:
    change = StageChange(to=Stage.COMPLETED, at=clock.now())
    await asyncio.gather(*(stores.checkpoints.advance(run.key, change) for run in runs))


async def test_a_day_of_runs_leaves_nothing_to_wade_through(
    session: CqlSession,
    scheduler: CassandraStores,
    supervisor: CassandraStores,
    clock: ManualClock,
    record: Record,
) -> None:
    random = Random(7)  # noqa: S311 - the same each time
    stragglers = await accept(scheduler, clock, 3)
    under_way: list[Checkpoint] = []
    accepted = 3
    for minute in range(150):
        under_way += await accept(scheduler, clock, 12)
        accepted += 12
        random.shuffle(under_way)
        done, under_way = under_way[20:], under_way[:20]
        await finish(scheduler, done, clock)
        record.rows = 0
        found = await sweep(supervisor)
        expected = sorted(stragglers + under_way, key=lambda run: (run.received_at, run.id))
        assert [run.key for run in found] == [run.key for run in expected], minute
        await clock.advance(60)

    assert accepted == 1803
    # A few rows for each of the 23 that are open, whatever has been.
    assert record.rows < 200
    assert await most_tombstones(session) < 50
    listed = await supervisor.index.runs(RunFilter(), 5000)
    assert len(listed) == accepted


@pytest.mark.parametrize("write", range(12))
async def test_a_sweep_that_breaks_off_at_any_write_loses_no_run(
    session: CqlSession, scheduler: CassandraStores, clock: ManualClock, write: int
) -> None:
    cluster = f"breaks-off-{write}"
    writes = 0

    async def one(send: Callable[[], Awaitable[Any]]) -> Any:
        nonlocal writes
        writes += 1
        if writes > write:
            raise NotReachedError("gone")
        return await send()

    async def batch(batch: Sequence[Any]) -> None:
        await one(lambda: session.batch(batch))

    async def execute(statement: Statement, values: Any = ()) -> Any:
        if statement.reads:
            return await session.execute(statement, values)
        return await one(lambda: session.execute(statement, values))

    runs = await accept(scheduler, clock, 40, cluster)
    await finish(scheduler, runs[:30], clock)
    dying = meddled(session, batch=batch, execute=execute)
    async with open_cassandra_stores(dying, clock, INDEXED) as supervisor:
        await sweep(supervisor, cluster)
        await clock.advance(60)
        await asyncio.gather(sweep(supervisor, cluster), return_exceptions=True)

    assert {run.key for run in await sweep(scheduler, cluster)} == {run.key for run in runs[30:]}
    listed = await scheduler.index.runs(RunFilter(), 10_000)
    assert {run.key for run in runs} <= {run.key for run in listed}


async def test_what_piled_up_is_tidied_by_one_sweep_after_the_other(
    session: CqlSession, scheduler: CassandraStores, clock: ManualClock
) -> None:
    runs: list[Checkpoint] = []
    for _ in range(30):
        runs += await accept(scheduler, clock, 2, "piled-up")
        await clock.advance(11)
    await finish(scheduler, runs[1:], clock)
    looks = 0

    async def execute(statement: Statement, values: Any = ()) -> Any:
        nonlocal looks
        if statement is statements.READ_PART:
            looks += 1
            await clock.advance(2)  # a slow server: there is time for some of them
        return await session.execute(statement, values)

    async with open_cassandra_stores(
        meddled(session, execute=execute), clock, INDEXED
    ) as supervisor:
        a_sweep = []
        for _ in range(12):
            assert [run.key for run in await sweep(supervisor, "piled-up")] == [runs[0].key]
            a_sweep.append(looks)
            looks = 0
            await clock.advance(60)

    assert max(a_sweep) <= 12
    assert sum(a_sweep) >= 30
    assert a_sweep[-1] <= 1


async def test_two_supervisors_that_tidy_up_at_once_lose_and_double_nothing(
    session: CqlSession, scheduler: CassandraStores, clock: ManualClock
) -> None:
    runs = await accept(scheduler, clock, 60, "both")
    await finish(scheduler, runs[:50], clock)
    async with (
        open_cassandra_stores(session, clock, INDEXED) as one,
        open_cassandra_stores(session, clock, INDEXED) as other,
    ):
        for _ in range(4):
            found = await asyncio.gather(sweep(one, "both"), sweep(other, "both"))
            await clock.advance(50)

    for seen in found:
        assert sorted(run.key for run in seen) == sorted(run.key for run in runs[50:])


@pytest.mark.parametrize("takes", [5.0, 30.0])
async def test_a_run_that_was_accepted_too_slowly_is_filed_where_sweeps_still_look(
    session: CqlSession, clock: ManualClock, takes: float
) -> None:
    """Its first part may be gone by the time that the server has taken it."""
    cluster = f"slow-{takes}"
    slow = True

    async def batch(writes: Sequence[Any]) -> None:
        nonlocal slow
        if slow and any("INTO checkpoints " in statement.cql for statement, _ in writes):
            slow = False
            await clock.advance(takes)
            async with open_cassandra_stores(session, clock, INDEXED) as supervisor:
                await sweep(supervisor, cluster)
                await clock.advance(50)
                await sweep(supervisor, cluster)
        await session.batch(writes)

    async with open_cassandra_stores(meddled(session, batch=batch), clock, INDEXED) as stores:
        (run,) = await accept(stores, clock, 1, cluster)

    async with open_cassandra_stores(session, clock, INDEXED) as supervisor:
        assert [one.key for one in await sweep(supervisor, cluster)] == [run.key]


async def test_what_finished_is_listed_by_its_stage_before_and_after_a_sweep(
    scheduler: CassandraStores, clock: ManualClock
) -> None:
    runs = await accept(scheduler, clock, 7, "listed")
    await finish(scheduler, runs[:4], clock)
    end = StageChange(to=Stage.FAILED, at=clock.now())
    await scheduler.checkpoints.advance(runs[4].key, end)
    since = RunFilter(stages=frozenset({Stage.COMPLETED}), received_from=clock.now())
    failed = RunFilter(stages=frozenset({Stage.FAILED}), algorithm="tsp")
    keys = {run.key for run in runs}

    for _ in range(3):
        completed = {run.key for run in await scheduler.index.runs(since, 10_000)} & keys
        assert completed == {run.key for run in runs[:4]}
        found = {run.key for run in await scheduler.index.runs(failed, 10_000)} & keys
        assert found == {runs[4].key}
        await sweep(scheduler, "listed")
        await clock.advance(50)


async def most_tombstones(session: CqlSession) -> float:
    """What one read of a table of open runs met of them at most, as the server counts."""
    metrics = Statement(
        "SELECT table_name, max FROM system_views.tombstones_per_read "
        "WHERE keyspace_name = ? ALLOW FILTERING"
    )
    rows = await session.execute(metrics, (session.keyspace,))
    by_table = {str(table): float(str(most)) for table, most in rows}
    assert "open_runs" in by_table
    return max(most for table, most in by_table.items() if table.startswith("open_"))
