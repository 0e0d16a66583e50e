"""Finishing a run, and telling those who wait."""

import asyncio

import pytest

from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.stages import Stage, StageChange
from nexus_core.operations.settle import Settler
from support.runs import a_checkpoint
from support.services import World
from support.stored_runs import store_run
from support.sweeping import Told
from support.trouble import Trouble


def a_change(world: World, to: Stage = Stage.FAILED) -> StageChange:
    return StageChange(to=to, at=world.clock.now())


@pytest.fixture
def settler(world: World, told: Told) -> Settler:
    return Settler(world.stores.store, told)


async def test_who_finishes_a_run_tells_of_it(world: World, settler: Settler, told: Told) -> None:
    key = await store_run(world)

    advance = await settler.settle(key, a_change(world))

    assert (advance.applied, advance.stage) == (True, Stage.FAILED)
    assert told.runs == [key]


async def test_who_comes_too_late_tells_nothing(world: World, settler: Settler, told: Told) -> None:
    key = await store_run(world, Stage.COMPLETED)

    advance = await settler.settle(key, a_change(world))

    assert (advance.applied, advance.stage) == (False, Stage.COMPLETED)
    assert told.runs == []


async def test_of_a_run_that_does_not_exist_nothing_is_told(
    world: World, settler: Settler, told: Told
) -> None:
    assert (await settler.settle(a_checkpoint().key, a_change(world))).stage is None
    assert told.runs == []


async def test_nothing_is_told_before_it_is_durable(
    world: World, settler: Settler, told: Told, trouble: Trouble
) -> None:
    key = await store_run(world)
    trouble.breaks("advance")

    with pytest.raises(UnavailableError):
        await settler.settle(key, a_change(world))

    assert told.runs == []


async def test_of_many_who_settle_at_once_one_tells(
    world: World, settler: Settler, told: Told
) -> None:
    key = await store_run(world, Stage.RUNNING)
    stages = [Stage.COMPLETED, Stage.FAILED, Stage.CANCELLED, Stage.DEADLINE_EXCEEDED] * 16

    advances = await asyncio.gather(*(settler.settle(key, a_change(world, to)) for to in stages))

    assert sum(advance.applied for advance in advances) == 1
    assert len({advance.stage for advance in advances}) == 1
    assert told.runs == [key]
