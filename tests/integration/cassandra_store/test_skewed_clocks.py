"""Whatever the clocks of schedulers say, a first write undoes no change of stage."""

from datetime import UTC, datetime, timedelta

import pytest

from nexus_core.adapters.cassandra.rows import CHECKPOINT_COLUMNS, checkpoint_row
from nexus_core.adapters.cassandra.session import CqlSession, Statement
from nexus_core.adapters.cassandra.stores import CassandraStores, Variant, open_cassandra_stores
from nexus_core.domain.stages import Advance, Stage, StageChange
from support.clock import ManualClock
from support.runs import a_buffered_job, a_checkpoint

pytestmark = pytest.mark.integration

NOW = datetime.now(UTC).replace(microsecond=0)
SKEWS = [timedelta(0), timedelta(hours=6), timedelta(hours=-6), timedelta(days=3650)]


@pytest.mark.parametrize("skew", SKEWS, ids=str)
async def test_a_change_of_stage_outlives_the_accept_of_a_scheduler_whose_clock_is_wrong(
    session: CqlSession, variant: Variant, skew: timedelta
) -> None:
    clock = ManualClock(NOW + skew)
    async with open_cassandra_stores(session, clock, variant) as stores:
        run = a_checkpoint(received_at=clock.now(), last_modified=clock.now())
        await stores.checkpoints.accept(run, a_buffered_job(run))
        change = StageChange(to=Stage.RUNNING, at=NOW, job_uid="6f1c")
        assert await stores.checkpoints.advance(run.key, change) == Advance(
            applied=True, stage=Stage.RUNNING
        )
        found = await stores.checkpoints.find(run.key)
        assert found is not None
        assert (found.lifecycle_stage, found.job_uid) == (Stage.RUNNING, "6f1c")
        assert found.last_modified == NOW


@pytest.mark.parametrize("skew", SKEWS, ids=str)
async def test_an_accept_that_comes_after_the_run_has_ended_changes_nothing(
    session: CqlSession, stores: CassandraStores, variant: Variant, skew: timedelta
) -> None:
    run = a_checkpoint(tag="nightly")
    await stores.checkpoints.accept(run, a_buffered_job(run, run.id))
    await stores.checkpoints.advance(run.key, StageChange(to=Stage.COMPLETED, at=NOW))
    before = await stores.checkpoints.find(run.key)
    clock = ManualClock(NOW + skew)

    async with open_cassandra_stores(session, clock, variant) as elsewhere:
        await elsewhere.checkpoints.accept(run, a_buffered_job(run, run.id))

        assert await elsewhere.checkpoints.find(run.key) == before
        assert await elsewhere.index.open_runs(run.id, NOW + timedelta(days=1), 10) == []


async def test_a_plain_write_by_the_clock_would_have_undone_the_change(
    session: CqlSession, stores: CassandraStores
) -> None:
    """Why first writes have timestamps of their own: this is what they would do without."""
    run = a_checkpoint()
    columns = ", ".join(CHECKPOINT_COLUMNS)
    marks = ", ".join("?" * len(CHECKPOINT_COLUMNS))
    plain = f"INSERT INTO checkpoints ({columns}) VALUES ({marks}) USING TIMESTAMP ?"  # noqa: S608 - ours
    ahead = int((NOW + timedelta(hours=6)).timestamp() * 1e6)
    await session.execute(Statement(plain), [*checkpoint_row(run), ahead])

    advance = await stores.checkpoints.advance(
        run.key, StageChange(to=Stage.COMPLETED, at=NOW, result_uri="s3a://1")
    )

    assert advance.applied
    found = await stores.checkpoints.find(run.key)
    assert found is not None
    assert found.lifecycle_stage is Stage.BUFFERED  # though told that it is COMPLETED


@pytest.mark.parametrize("skew", SKEWS, ids=str)
async def test_tags_that_go_to_and_fro_are_found_though_clocks_differ(
    session: CqlSession, stores: CassandraStores, variant: Variant, skew: timedelta
) -> None:
    run = a_checkpoint()
    first, second = f"first-{run.id}", f"second-{run.id}"
    await stores.checkpoints.accept(run, None)
    async with open_cassandra_stores(session, ManualClock(NOW + skew), variant) as elsewhere:
        for tag in (first, second, "", first, second, first):
            here, there = stores.checkpoints, elsewhere.checkpoints
            for store in (here, there):
                assert await store.retag(run.key, tag, NOW)

    assert [found.id for found in await stores.index.tagged(first)] == [run.id]
    assert await stores.index.tagged(second) == []
