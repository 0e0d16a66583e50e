"""Sweeps over days: what is open is found, and what has finished is not waded through."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from random import Random

import pytest

from nexus_core.adapters.cassandra.connect import DriverName, open_session
from nexus_core.adapters.cassandra.session import CqlSession, Statement
from nexus_core.adapters.cassandra.stores import CassandraStores, Variant, open_cassandra_stores
from nexus_core.domain.checkpoint import Checkpoint, OpenRun, RunCursor, RunFilter
from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import FINISHED_STAGES, Stage, StageChange
from support.cassandra import LIMITS, plan_of
from support.cassandra_stores import INDEXED, schema_of
from support.clock import ManualClock
from support.recording_session import Record
from support.runs import LONG_AGO, a_buffered_job, a_checkpoint
from tools.testbed.description import CassandraDescription

pytestmark = pytest.mark.integration

CLUSTER = "east"


@pytest.fixture(scope="module")
def keyspace(cassandra_server: CassandraDescription) -> AsyncIterator[str]:
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


async def sweep(stores: CassandraStores, now: object, cluster: str = CLUSTER) -> list[OpenRun]:
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
        found = await sweep(supervisor, clock.now())
        expected = sorted(stragglers + under_way, key=lambda run: (run.received_at, run.id))
        assert [run.key for run in found] == [run.key for run in expected], minute
        await clock.advance(60)

    assert accepted == 1803
    # A few rows for each of the 23 that are open, whatever has been.
    assert record.rows < 400
    assert await most_tombstones(session) < 100
    listed = await supervisor.index.runs(RunFilter(), 5000)
    assert len(listed) == accepted


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
