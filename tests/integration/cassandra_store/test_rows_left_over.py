"""What the time to live leaves of a run that got another tag long after all else was written."""

from datetime import timedelta
from uuid import uuid4

import pytest

from nexus_core.adapters.cassandra.rows import CHECKPOINT_COLUMNS
from nexus_core.adapters.cassandra.session import CqlSession, Statement
from nexus_core.adapters.cassandra.stores import CassandraStores
from nexus_core.domain.checkpoint import Checkpoint, RunFilter
from nexus_core.domain.stages import Advance, Stage, StageChange
from support.clock import ManualClock
from support.runs import a_buffered_job, a_checkpoint

pytestmark = pytest.mark.integration

OLDER = [name for name in CHECKPOINT_COLUMNS[2:] if name not in {"tag", "last_modified"}]
EXPIRE = Statement(f"DELETE {', '.join(OLDER)} FROM checkpoints WHERE algorithm = ? AND id = ?")


async def a_rest(
    session: CqlSession, stores: CassandraStores, clock: ManualClock, tag: str
) -> Checkpoint:
    """A finished run with a late tag, whose other cells the server has let go."""
    run = a_checkpoint(algorithm=f"old-{uuid4()}", received_at=clock.now())
    await stores.checkpoints.accept(run, a_buffered_job(run, run.algorithm))
    end = StageChange(to=Stage.COMPLETED, at=clock.now())
    await stores.checkpoints.advance(run.key, end)
    assert await stores.checkpoints.retag(run.key, tag, clock.now())
    # As if their time were over: tests don't wait for days.
    await session.execute(EXPIRE, (run.algorithm, run.id))
    return run


async def test_it_is_no_run_any_more(
    session: CqlSession, stores: CassandraStores, clock: ManualClock
) -> None:
    rest = await a_rest(session, stores, clock, f"tag-{uuid4()}")

    assert await stores.checkpoints.find(rest.key) is None
    cancelled = StageChange(to=Stage.CANCELLED, at=clock.now())
    nothing = Advance(applied=False, stage=None)
    assert await stores.checkpoints.advance(rest.key, cancelled) == nothing
    assert not await stores.checkpoints.retag(rest.key, "again", clock.now())


async def test_it_keeps_nobody_from_finding_others(
    session: CqlSession, stores: CassandraStores, clock: ManualClock
) -> None:
    tag = f"tag-{uuid4()}"
    rest = await a_rest(session, stores, clock, tag)
    other = a_checkpoint(algorithm=rest.algorithm, tag=tag, received_at=clock.now())
    await stores.checkpoints.accept(other, a_buffered_job(other, rest.algorithm))

    assert [run.id for run in await stores.index.tagged(tag)] == [other.id]
    for where in (RunFilter(algorithm=rest.algorithm), RunFilter(tag=tag)):
        assert [run.key for run in await stores.index.runs(where, 10)] == [other.key]


async def test_it_holds_up_no_sweep_and_is_let_go_of_on_the_way(
    session: CqlSession, stores: CassandraStores, clock: ManualClock
) -> None:
    rest = await a_rest(session, stores, clock, f"tag-{uuid4()}")
    cluster = rest.algorithm
    for _ in range(3):
        later = clock.now() + timedelta(hours=1)
        assert await stores.index.open_runs(cluster, later, 10) == []
        await clock.advance(61)
    assert await stores.index._open_runs.keys_of(cluster, rest.received_by_host) == set()
