"""What a run costs, counted at the session."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest

from nexus_core.adapters.cassandra.session import CqlSession
from nexus_core.adapters.cassandra.stores import CassandraStores, Variant, open_cassandra_stores
from nexus_core.domain.checkpoint import IdempotencyKey
from nexus_core.domain.request import ParentReference
from nexus_core.domain.stages import Stage, StageChange
from support.clock import ManualClock
from support.recording_session import Record
from support.runs import LONG_AGO, a_buffered_job, a_checkpoint, a_template_spec

pytestmark = pytest.mark.integration

BATCH = {True: "batch checkpoints open_runs submission_buffer"}
BATCH[False] = "batch checkpoints checkpoints_by_host open_runs submission_buffer"


@pytest.fixture
def record() -> Record:
    return Record()


@pytest.fixture
async def stores(
    session: CqlSession, clock: ManualClock, variant: Variant, record: Record
) -> AsyncIterator[CassandraStores]:
    async with open_cassandra_stores(record.of(session), clock, variant) as stores:
        run = a_checkpoint()
        await stores.checkpoints.accept(run, a_buffered_job(run))
        assert record.taken() == {"batch open_parts open_slots": 1, BATCH[variant.indexed]: 1}
        yield stores


async def test_accepting_is_one_batch(
    stores: CassandraStores, record: Record, variant: Variant
) -> None:
    for _ in range(10):
        run = a_checkpoint()
        await stores.checkpoints.accept(run, a_buffered_job(run))

    assert record.taken() == {BATCH[variant.indexed]: 10}


async def test_a_part_is_begun_every_ten_seconds_and_not_for_every_run(
    stores: CassandraStores, record: Record, clock: ManualClock, variant: Variant
) -> None:
    for _ in range(40):
        run = a_checkpoint()
        await stores.checkpoints.accept(run, a_buffered_job(run))
        await clock.advance(1)

    assert record.taken() == {BATCH[variant.indexed]: 40, "batch open_parts open_slots": 3}


async def test_accepting_a_run_with_tag_and_parent_is_one_batch_too(
    stores: CassandraStores, record: Record
) -> None:
    parent = ParentReference(request_id=a_checkpoint().id, algorithm_name="fan-out")
    run = a_checkpoint(tag="nightly", parent=parent)
    await stores.checkpoints.accept(run, a_buffered_job(run))

    assert sum(record.taken().values()) == 1


async def test_a_run_too_large_for_a_batch_is_written_with_its_checkpoint_last(
    stores: CassandraStores, record: Record, variant: Variant
) -> None:
    args = [f"--part-{number}={'x' * 200}" for number in range(300)]
    run = a_checkpoint(applied_configuration=a_template_spec(args=args))
    job = a_buffered_job(run)

    await stores.checkpoints.accept(run, job)

    trips = list(record.taken())
    assert trips[-1] == "execute INSERT checkpoints"
    assert len(trips) == (3 if variant.indexed else 4)
    assert await stores.checkpoints.find(run.key) == run
    assert await stores.checkpoints.find_job(run.key) == job


@pytest.mark.parametrize(
    "path", [[Stage.RUNNING, Stage.COMPLETED], [Stage.CANCELLED, Stage.RUNNING]], ids=str
)
async def test_a_change_of_stage_is_one_transaction_whether_it_applies_or_not(
    stores: CassandraStores, record: Record, variant: Variant, path: list[Stage]
) -> None:
    run = a_checkpoint()
    await stores.checkpoints.accept(run, a_buffered_job(run))
    record.taken()

    applied = 0
    for stage in path:
        advance = await stores.checkpoints.advance(run.key, StageChange(to=stage, at=LONG_AGO))
        applied += advance.applied

    await stores.afterwork.settle()
    behind = {"execute SELECT checkpoints": applied, "batch checkpoints_by_host": applied}
    assert record.taken() == {
        "apply UPDATE checkpoints": 2,
        **({} if variant.indexed else behind),
    }


async def test_a_key_costs_two_transactions(
    stores: CassandraStores, record: Record, variant: Variant
) -> None:
    run = a_checkpoint()
    key = IdempotencyKey(
        algorithm=run.algorithm,
        key=str(uuid4()),
        fingerprint="digest",
        expires_at=LONG_AGO + timedelta(days=1),
    )
    await stores.checkpoints.accept(run, a_buffered_job(run), key)

    assert record.taken() == {
        "apply INSERT idempotency_keys": 1,
        BATCH[variant.indexed].replace("batch checkpoints ", "batch "): 1,
        "apply INSERT checkpoints": 1,
    }


async def test_looking_a_run_up_is_one_read(stores: CassandraStores, record: Record) -> None:
    run = a_checkpoint()
    await stores.checkpoints.accept(run, a_buffered_job(run))
    record.taken()

    await stores.checkpoints.find(run.key)
    assert record.taken() == {"execute SELECT checkpoints": 1}
    await stores.checkpoints.find_job(run.key)
    assert record.taken() == {"execute SELECT submission_buffer": 1}
