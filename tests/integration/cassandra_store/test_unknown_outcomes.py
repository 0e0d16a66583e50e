"""Writes of which nobody knows whether they happened."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from nexus_core.adapters.cassandra.errors import OutcomeUnknownError
from nexus_core.adapters.cassandra.session import CqlSession, Statement, Value
from nexus_core.adapters.cassandra.stores import CassandraStores, Variant, open_cassandra_stores
from nexus_core.domain.checkpoint import Acceptance, IdempotencyKey
from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.stages import Advance, Stage, StageChange
from support.clock import ManualClock
from support.meddling import meddled
from support.runs import LONG_AGO, a_buffered_job, a_checkpoint, a_template_spec

pytestmark = pytest.mark.integration

CHANGE = StageChange(to=Stage.FAILED, at=LONG_AGO, cause="It failed.", details="137")


class Fog:
    """Answers to writes get lost, of as many as a test says; what they wrote may have happened."""

    def __init__(self, *, happens: bool) -> None:
        self.spared = 0
        """Writes before the first that is lost."""
        self.lost = 0
        self.happens = happens
        self.late = False
        """What comes to nothing at first arrives just before the next write."""
        self._on_its_way: Callable[[], Awaitable[Any]] | None = None
        self.meanwhile: Callable[[], Awaitable[object]] | None = None
        """Done by others before the answer would have come."""

    def around(self, session: CqlSession) -> CqlSession:
        async def apply(statement: Statement, values: Any = (), **how: Any) -> Any:
            return await self._one(lambda: session.apply(statement, values, **how))

        async def batch(writes: Any, **how: Any) -> None:
            await self._one(lambda: session.batch(writes, **how))

        async def execute(statement: Statement, values: Any = (), **how: Any) -> Any:
            if statement.reads:
                return await session.execute(statement, values, **how)
            return await self._one(lambda: session.execute(statement, values, **how))

        return meddled(session, apply=apply, batch=batch, execute=execute)

    async def _one(self, write: Callable[[], Awaitable[Any]]) -> Any:
        if self._on_its_way is not None:
            await self._on_its_way()
            self._on_its_way = None
        self.spared -= 1
        if self.lost <= 0 or self.spared >= 0:
            return await write()
        self.lost -= 1
        if self.happens:
            await write()
        elif self.late:
            self._on_its_way = write
        if self.meanwhile:
            await self.meanwhile()
        raise OutcomeUnknownError("no answer in time")


@pytest.fixture(params=[True, False], ids=["happens", "comes-to-nothing"])
def fog(request: pytest.FixtureRequest) -> Fog:
    return Fog(happens=request.param)


@pytest.fixture
async def foggy(
    session: CqlSession, clock: ManualClock, variant: Variant, fog: Fog
) -> AsyncIterator[CassandraStores]:
    async with open_cassandra_stores(fog.around(session), clock, variant) as stores:
        yield stores


async def test_a_change_whose_answer_was_lost_is_told_as_applied_once(
    stores: CassandraStores,
    foggy: CassandraStores,
    fog: Fog,
) -> None:
    run = a_checkpoint()
    await stores.checkpoints.accept(run, None)
    fog.lost = 1

    advance = await foggy.checkpoints.advance(run.key, CHANGE)

    assert advance == Advance(applied=True, stage=Stage.FAILED)
    found = await stores.checkpoints.find(run.key)
    assert found is not None
    assert (found.lifecycle_stage, found.algorithm_failure_cause) == (Stage.FAILED, "It failed.")


@pytest.mark.parametrize("lost", [1, 2])
async def test_a_change_that_arrives_late_is_known_as_ones_own(
    stores: CassandraStores, foggy: CassandraStores, fog: Fog, lost: int
) -> None:
    run = a_checkpoint()
    await stores.checkpoints.accept(run, None)
    fog.lost, fog.late = lost, True

    advance = await foggy.checkpoints.advance(run.key, CHANGE)

    assert advance == Advance(applied=True, stage=Stage.FAILED)


@pytest.mark.parametrize("end", [Stage.CANCELLED, Stage.FAILED])
async def test_a_change_whose_answer_was_lost_does_not_take_anothers_for_its_own(
    stores: CassandraStores, foggy: CassandraStores, fog: Fog, end: Stage
) -> None:
    run = a_checkpoint()
    await stores.checkpoints.accept(run, None)
    other = StageChange(to=end, at=LONG_AGO + timedelta(seconds=1), cause="Another's.")
    fog.lost, fog.happens = 1, False
    fog.meanwhile = lambda: stores.checkpoints.advance(run.key, other)

    advance = await foggy.checkpoints.advance(run.key, CHANGE)

    assert advance == Advance(applied=False, stage=end)


async def test_a_change_of_which_nothing_can_be_learned_is_unknown_and_may_be_repeated(
    stores: CassandraStores, foggy: CassandraStores, fog: Fog
) -> None:
    run = a_checkpoint()
    await stores.checkpoints.accept(run, None)
    fog.lost, fog.happens = 100, False

    with pytest.raises(OutcomeUnknownError):
        await foggy.checkpoints.advance(run.key, CHANGE)

    fog.lost = 0
    assert (await foggy.checkpoints.advance(run.key, CHANGE)).applied


async def test_a_change_to_a_run_that_is_not_there_stays_so(
    foggy: CassandraStores, fog: Fog
) -> None:
    fog.lost = 1
    advance = await foggy.checkpoints.advance(a_checkpoint().key, CHANGE)
    assert advance == Advance(applied=False, stage=None)


@pytest.mark.parametrize("size", [1, 500], ids=["small", "large"])
@pytest.mark.parametrize("lost", [1, 2])
async def test_an_accept_whose_answers_were_lost_is_whole(
    stores: CassandraStores,
    foggy: CassandraStores,
    fog: Fog,
    lost: int,
    size: int,
) -> None:
    warm = a_checkpoint()
    await foggy.checkpoints.accept(warm, a_buffered_job(warm, warm.id))
    spec = a_template_spec(args=["x" * 100] * size)
    run = a_checkpoint(tag="lost", applied_configuration=spec)
    fog.lost = lost

    assert await foggy.checkpoints.accept(run, a_buffered_job(run, warm.id)) == Acceptance(run.id)

    assert await stores.checkpoints.find(run.key) == run
    assert await stores.checkpoints.find_job(run.key) == a_buffered_job(run, warm.id)
    later = LONG_AGO + timedelta(days=1)
    found = await stores.index.open_runs(warm.id, later, 10)
    assert {one.key for one in found} == {warm.key, run.key}


@pytest.mark.parametrize("lost", [1, 2, 3])
async def test_an_accept_with_a_key_whose_answers_were_lost_ends_in_one_run(
    stores: CassandraStores,
    foggy: CassandraStores,
    fog: Fog,
    lost: int,
) -> None:
    first, second = a_checkpoint(), a_checkpoint()
    key = a_key(first.id)
    fog.lost = lost

    outcome = await asyncio.gather(
        foggy.checkpoints.accept(first, a_buffered_job(first), key), return_exceptions=True
    )
    assert isinstance(outcome[0], Acceptance | OutcomeUnknownError)
    fog.lost = 0
    again = await foggy.checkpoints.accept(first, a_buffered_job(first), key)
    after = await stores.checkpoints.accept(second, a_buffered_job(second), key)

    assert again == Acceptance(first.id)
    assert after == Acceptance(first.id, replayed=True)
    assert await stores.checkpoints.find(first.key) == first
    assert await stores.checkpoints.find(second.key) is None


async def test_a_run_that_arrives_late_keeps_its_key(
    stores: CassandraStores, foggy: CassandraStores, fog: Fog
) -> None:
    warm, run, other = a_checkpoint(), a_checkpoint(), a_checkpoint()
    await foggy.checkpoints.accept(warm, a_buffered_job(warm))
    key = a_key(run.id)
    # The claim and what leads to the run are spared, the run itself is lost.
    fog.spared, fog.lost, fog.late = 2, 1, True

    assert await foggy.checkpoints.accept(run, a_buffered_job(run), key) == Acceptance(run.id)

    fog.lost = 0
    again = await stores.checkpoints.accept(other, a_buffered_job(other), key)
    assert again == Acceptance(run.id, replayed=True)


async def test_a_tag_whose_answer_was_lost_is_found_or_was_never_given(
    stores: CassandraStores,
    foggy: CassandraStores,
    fog: Fog,
) -> None:
    run = a_checkpoint(tag=f"old-{a_checkpoint().id}")
    new = f"new-{run.id}"
    await stores.checkpoints.accept(run, None)
    fog.lost = 1

    outcome = await asyncio.gather(
        foggy.checkpoints.retag(run.key, new, LONG_AGO), return_exceptions=True
    )

    given = outcome[0] is True
    assert given or isinstance(outcome[0], OutcomeUnknownError)
    found = await stores.checkpoints.find(run.key)
    assert found is not None
    assert found.tag == (new if given else run.tag)
    assert [one.id for one in await stores.index.tagged(found.tag)] == [run.id]
    assert await stores.index.tagged(run.tag if given else new) == []


def a_key(key: str, **changes: Value) -> IdempotencyKey:
    fields: dict[str, Any] = {
        "algorithm": "hello-world",
        "key": key,
        "fingerprint": "digest",
        "expires_at": LONG_AGO + timedelta(days=1),
    }
    return IdempotencyKey(**(fields | changes))


# Who leads.

LEASE = timedelta(minutes=5)


@pytest.fixture
def role() -> str:
    return f"supervisor/{uuid4()}"


@pytest.mark.parametrize("spared", [0, 1])
async def test_who_was_elected_knows_it_though_the_answer_was_lost(
    stores: CassandraStores, foggy: CassandraStores, fog: Fog, role: str, spared: int
) -> None:
    # The first asks to stay the leader, which nobody is; the second takes the role.
    fog.lost, fog.spared = 1, spared

    assert await foggy.election.lead(role, "a", LEASE)

    assert not await stores.election.lead(role, "b", LEASE)


async def test_who_stayed_the_leader_knows_it_though_the_answer_was_lost(
    stores: CassandraStores, foggy: CassandraStores, fog: Fog, role: str
) -> None:
    await stores.election.lead(role, "a", timedelta(seconds=1))
    fog.lost = 1

    assert await foggy.election.lead(role, "a", LEASE)

    # That there is a row of its own is not enough: it may be the one that is about to go.
    await asyncio.sleep(4.5)
    assert not await stores.election.lead(role, "b", LEASE)


async def test_who_was_elected_after_all_is_not_told_that_another_leads(
    stores: CassandraStores, foggy: CassandraStores, fog: Fog, role: str
) -> None:
    fog.lost, fog.spared, fog.late = 1, 1, True

    assert await foggy.election.lead(role, "a", LEASE)
    assert not await stores.election.lead(role, "b", LEASE)


async def test_whose_role_was_taken_while_no_answer_came_does_not_lead(
    stores: CassandraStores, foggy: CassandraStores, fog: Fog, role: str
) -> None:
    async def taken() -> None:
        await stores.election.resign(role, "a")
        assert await stores.election.lead(role, "b", LEASE)

    fog.lost, fog.spared, fog.meanwhile = 1, 1, taken

    assert not await foggy.election.lead(role, "a", LEASE)


async def test_that_nobody_knows_who_leads_is_said(
    foggy: CassandraStores, fog: Fog, role: str
) -> None:
    fog.lost = 100

    with pytest.raises(UnavailableError, match="unknown who leads"):
        await foggy.election.lead(role, "a", LEASE)
