"""Lookup rows that did not follow the end of their run, where there are no indexes."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from msgspec.structs import replace

from nexus_core.adapters.cassandra.connect import DriverName, open_session
from nexus_core.adapters.cassandra.session import CqlSession, Statement
from nexus_core.adapters.cassandra.stores import CassandraStores, Variant, open_cassandra_stores
from nexus_core.domain.checkpoint import Checkpoint
from nexus_core.domain.stages import OPEN_STAGES, Stage, StageChange
from support.cassandra import LIMITS, plan_of
from support.cassandra_stores import INDEXED, UNINDEXED, forget_all
from support.clock import ManualClock
from support.recording_session import Record
from support.runs import LONG_AGO, a_buffered_job, a_checkpoint
from tools.testbed.description import CassandraDescription

pytestmark = pytest.mark.integration

HOST = "scheduler-that-died"
TIDY = timedelta(seconds=60).total_seconds()


@pytest.fixture(
    params=[UNINDEXED, replace(UNINDEXED, any_timestamp=False)], ids=["unindexed", "as-keyspaces"]
)
def variant(request: pytest.FixtureRequest) -> Variant:
    chosen: Variant = request.param
    return chosen


@pytest.fixture
async def session(
    cassandra_server: CassandraDescription, unindexed_keyspace: str
) -> AsyncIterator[CqlSession]:
    plan = plan_of(cassandra_server, unindexed_keyspace)
    async with open_session(plan, LIMITS, DriverName.ACSYLLA) as session:
        await forget_all(session, indexed=False)
        yield session


@pytest.fixture
def record() -> Record:
    return Record()


@pytest.fixture
async def stores(
    session: CqlSession, clock: ManualClock, variant: Variant, record: Record
) -> AsyncIterator[CassandraStores]:
    async with open_cassandra_stores(record.of(session), clock, variant) as stores:
        yield stores


@pytest.fixture
async def dying(session: CqlSession, clock: ManualClock) -> AsyncIterator[CassandraStores]:
    """Those of a process that dies after each change of stage: it writes the checkpoint alone."""
    async with open_cassandra_stores(session, clock, INDEXED) as stores:
        yield stores


async def accepted(stores: CassandraStores, clock: ManualClock, count: int) -> list[Checkpoint]:
    runs = [
        a_checkpoint(
            received_by_host=HOST, received_at=clock.now(), last_modified=clock.now(), tag=""
        )
        for _ in range(count)
    ]
    await asyncio.gather(*(stores.checkpoints.accept(run, a_buffered_job(run)) for run in runs))
    return runs


async def advance(stores: CassandraStores, runs: list[Checkpoint], to: Stage) -> None:
    change = StageChange(to=to, at=LONG_AGO)
    await asyncio.gather(*(stores.checkpoints.advance(run.key, change) for run in runs))
    await stores.afterwork.settle()


async def ids_by_stage(session: CqlSession, runs: list[Checkpoint]) -> dict[Stage, set[str]]:
    """Return which of some runs stand under their host, by stage."""
    find = Statement("SELECT id FROM checkpoints_by_host WHERE host = ? AND lifecycle_stage = ?")
    ids = {run.id for run in runs}
    return {
        stage: ids & {str(id_) for (id_,) in await session.execute(find, (HOST, stage.value))}
        for stage in Stage
    }


async def sweep(stores: CassandraStores, runs: list[Checkpoint], clock: ManualClock) -> None:
    """Look at what is open, so long after that what is tidied up has been."""
    cluster = a_buffered_job(runs[0]).cluster
    for _ in range(2):
        await stores.index.open_runs(cluster, clock.now(), 500)
        await clock.advance(TIDY)
    await stores.index.open_runs(cluster, clock.now(), 500)


async def test_no_row_of_a_finished_run_says_that_it_is_open(
    session: CqlSession, stores: CassandraStores, dying: CassandraStores, clock: ManualClock
) -> None:
    runs = await accepted(stores, clock, 130)
    await advance(stores, runs[:70], Stage.RUNNING)
    await advance(dying, runs[:120], Stage.FAILED)
    before = await ids_by_stage(session, runs)
    assert len(before[Stage.RUNNING]) == 70
    assert len(before[Stage.BUFFERED]) == 60

    await sweep(stores, runs, clock)

    after = await ids_by_stage(session, runs)
    assert after[Stage.FAILED] == {run.id for run in runs[:120]}
    # What is open stands where it stood.
    assert set().union(*(after[stage] for stage in OPEN_STAGES)) == {run.id for run in runs[120:]}


async def test_where_nothing_was_left_nothing_is_written(
    session: CqlSession, stores: CassandraStores, clock: ManualClock, record: Record
) -> None:
    runs = await accepted(stores, clock, 40)
    await advance(stores, runs, Stage.COMPLETED)
    record.taken()

    await sweep(stores, runs, clock)

    trips = {what: times for what, times in record.taken().items() if "by_host" in what}
    assert trips == {"execute SELECT checkpoints_by_host": 3}
    assert (await ids_by_stage(session, runs))[Stage.COMPLETED] == {run.id for run in runs}
