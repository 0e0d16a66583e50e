"""Claims of idempotency keys, with everybody stopped where it hurts most."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from nexus_core.adapters.cassandra.session import CqlSession, Statement
from nexus_core.adapters.cassandra.stores import CassandraStores, Variant, open_cassandra_stores
from nexus_core.domain.checkpoint import Acceptance, Checkpoint, IdempotencyKey, RunFilter
from nexus_core.domain.errors import ConflictError
from nexus_core.domain.stages import Advance, Stage, StageChange
from support.clock import ManualClock
from support.meddling import meddled
from support.runs import LONG_AGO, a_buffered_job, a_checkpoint

pytestmark = pytest.mark.integration

FENCED_OFF = "the run took too long to be recorded, and can't be any more; send it again"

PATIENCE = 0.3
"""Seconds that a claim may be without its run; enough for a server on a busy machine."""


def a_key(run: Checkpoint, fingerprint: str = "digest") -> IdempotencyKey:
    return IdempotencyKey(
        algorithm=run.algorithm,
        key=f"key of {run.id}",
        fingerprint=fingerprint,
        expires_at=LONG_AGO + timedelta(days=1),
    )


class Stop:
    """Holds a scheduler before or after one of its writes, until it is let go."""

    def __init__(self, table: str, *, after: bool) -> None:
        self._table = table
        self._after = after
        self.reached = asyncio.Event()
        self.go = asyncio.Event()

    def around(self, session: CqlSession) -> CqlSession:
        async def apply(statement: Statement, values: Any = (), **how: Any) -> Any:
            return await self._one(statement, lambda: session.apply(statement, values, **how))

        async def batch(writes: Any, **how: Any) -> None:
            await self._one(writes[0][0], lambda: session.batch(writes, **how))

        return meddled(session, apply=apply, batch=batch)

    async def _one(self, statement: Statement, write: Callable[[], Any]) -> Any:
        hit = f" {self._table} " in statement.cql and not self.reached.is_set()
        done = await write() if self._after or not hit else None
        if hit:
            self.reached.set()
            await self.go.wait()
        return done if self._after or not hit else await write()


@pytest.fixture
async def second(
    session: CqlSession, clock: ManualClock, variant: Variant
) -> AsyncIterator[CassandraStores]:
    """The stores of a scheduler that has no great patience."""
    hasty = replace(variant, claim_patience=PATIENCE)
    async with open_cassandra_stores(session, clock, hasty) as stores:
        yield stores


@pytest.fixture
def first(session: CqlSession, clock: ManualClock, variant: Variant) -> Callable[[Stop], Any]:
    """Open the stores of a scheduler that stops where a test says."""

    @asynccontextmanager
    async def opened(stop: Stop) -> AsyncIterator[CassandraStores]:
        hasty = replace(variant, claim_patience=PATIENCE)
        async with open_cassandra_stores(stop.around(session), clock, hasty) as stores:
            yield stores

    return opened


STOPS = {
    "claimed": ("idempotency_keys", True),
    "before the run": ("checkpoints", False),
}


@pytest.mark.parametrize("where", STOPS)
async def test_a_claim_whose_scheduler_died_goes_to_the_next_who_asks(
    first: Callable[[Stop], Any], second: CassandraStores, where: str
) -> None:
    one, other = a_checkpoint(), a_checkpoint()
    key, stop = a_key(one), Stop(STOPS[where][0], after=STOPS[where][1])
    async with first(stop) as stores:
        dying = asyncio.create_task(stores.checkpoints.accept(one, a_buffered_job(one), key))
        await stop.reached.wait()

        assert await second.checkpoints.find_submission(key) is None
        taken = await second.checkpoints.accept(other, a_buffered_job(other), key)

        assert taken == Acceptance(other.id)
        assert await second.checkpoints.find_submission(key) == Acceptance(other.id, replayed=True)
        assert await second.checkpoints.find(one.key) is None
        dying.cancel()
        stop.go.set()
        await asyncio.wait([dying])


@pytest.mark.parametrize("where", STOPS)
async def test_a_scheduler_that_was_only_slow_answers_with_the_run_that_took_its_place(
    first: Callable[[Stop], Any], second: CassandraStores, where: str
) -> None:
    one = a_checkpoint(tag=f"tag-{a_checkpoint().id}")
    other = a_checkpoint(tag=one.tag)
    key, stop = a_key(one), Stop(STOPS[where][0], after=STOPS[where][1])
    async with first(stop) as stores:
        slow = asyncio.create_task(stores.checkpoints.accept(one, a_buffered_job(one), key))
        await stop.reached.wait()
        await second.checkpoints.accept(other, a_buffered_job(other), key)

        stop.go.set()

        assert await slow == Acceptance(other.id, replayed=True)
    assert await second.checkpoints.find(one.key) is None
    assert await second.checkpoints.find(other.key) == other
    advance = await second.checkpoints.advance(one.key, StageChange(to=Stage.RUNNING, at=LONG_AGO))
    assert advance == Advance(applied=False, stage=Stage.CANCELLED)
    open_now = await second.index.open_runs("standalone", LONG_AGO + timedelta(days=1), 1000)
    assert one.key not in {run.key for run in open_now}
    listed = await second.index.runs(RunFilter(), 10_000)
    assert one.key not in {run.key for run in listed}
    assert [run.id for run in await second.index.tagged(one.tag)] == [other.id]


@pytest.mark.parametrize("where", STOPS)
async def test_who_comes_second_waits_for_the_first_that_is_not_done_yet(
    first: Callable[[Stop], Any], stores: CassandraStores, where: str
) -> None:
    one, other = a_checkpoint(), a_checkpoint()
    key, stop = a_key(one), Stop(STOPS[where][0], after=STOPS[where][1])
    async with first(stop) as slow_stores:
        slow = asyncio.create_task(slow_stores.checkpoints.accept(one, a_buffered_job(one), key))
        await stop.reached.wait()
        waits = asyncio.create_task(stores.checkpoints.accept(other, a_buffered_job(other), key))
        stop.go.set()

        assert await slow == Acceptance(one.id)
        assert await waits == Acceptance(one.id, replayed=True)
    assert await stores.checkpoints.find(other.key) is None


async def test_a_first_that_has_its_run_is_not_robbed_by_one_without_patience(
    first: Callable[[Stop], Any], second: CassandraStores
) -> None:
    one, other = a_checkpoint(), a_checkpoint()
    key, stop = a_key(one), Stop("checkpoints", after=True)
    async with first(stop) as stores:
        slow = asyncio.create_task(stores.checkpoints.accept(one, a_buffered_job(one), key))
        await stop.reached.wait()

        taken = await second.checkpoints.accept(other, a_buffered_job(other), key)

        assert taken == Acceptance(one.id, replayed=True)
        stop.go.set()
        assert await slow == Acceptance(one.id)


async def test_one_that_dies_after_it_put_up_a_fence_does_not_block_the_key(
    first: Callable[[Stop], Any], second: CassandraStores
) -> None:
    """The first is slow, the second fences it and dies, a third comes: one run, and one only."""
    one, third = a_checkpoint(), a_checkpoint()
    key, stop = a_key(one), Stop("idempotency_keys", after=True)
    async with first(stop) as stores:
        slow = asyncio.create_task(stores.checkpoints.accept(one, a_buffered_job(one), key))
        await stop.reached.wait()
        assert await second.checkpoints._submissions._fence(one.key)

        stop.go.set()
        taken = await second.checkpoints.accept(third, a_buffered_job(third), key)
        answered = await asyncio.gather(slow, return_exceptions=True)

    assert taken == Acceptance(third.id)
    # Whether it met the third, or nobody yet: its own run can't be any more.
    assert str(answered[0]) in {str(Acceptance(third.id, replayed=True)), FENCED_OFF}
    assert await second.checkpoints.find(one.key) is None
    assert await second.checkpoints.find(third.key) == third


async def test_a_claim_without_a_run_is_no_conflict_for_another_request(
    first: Callable[[Stop], Any], second: CassandraStores
) -> None:
    one, other = a_checkpoint(), a_checkpoint()
    stop = Stop("idempotency_keys", after=True)
    async with first(stop) as stores:
        dying = asyncio.create_task(stores.checkpoints.accept(one, None, a_key(one)))
        await stop.reached.wait()
        different = a_key(one, fingerprint="another")

        assert await second.checkpoints.accept(other, None, different) == Acceptance(other.id)

        stop.go.set()
        outcome = await asyncio.gather(dying, return_exceptions=True)
    assert isinstance(outcome[0], ConflictError)
    assert await second.checkpoints.find(one.key) is None


async def test_of_many_on_two_schedulers_one_gets_the_key(
    stores: CassandraStores, second: CassandraStores
) -> None:
    key = a_key(a_checkpoint())
    runs = [a_checkpoint() for _ in range(40)]

    answers = await asyncio.gather(
        *(
            (stores, second)[number % 2].checkpoints.accept(run, a_buffered_job(run), key)
            for number, run in enumerate(runs)
        )
    )

    (winner,) = {one.request_id for one in answers}
    assert [one.replayed for one in answers].count(False) == 1
    assert [run.id for run in runs if await stores.checkpoints.find(run.key)] == [winner]
