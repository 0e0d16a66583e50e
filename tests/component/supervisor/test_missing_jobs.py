"""A cluster that comes back empty-handed: what a sweep believes of it."""

from structlog.testing import capture_logs

from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import Stage
from support.clock import ManualClock
from support.services import World
from support.stored_runs import store_run
from support.sweeping import a_sweeper

MINUTE = 60.0


async def running(world: World, count: int) -> list[RunKey]:
    return [await store_run(world, Stage.RUNNING) for _ in range(count)]


async def stages(world: World, keys: list[RunKey]) -> set[Stage | None]:
    return {await world.stage(key) for key in keys}


async def test_runs_whose_jobs_are_there_and_were_not_listed_go_on(
    world: World, clock: ManualClock
) -> None:
    keys = await running(world, 20)
    world.cluster.lists_nothing = True
    sweeper = a_sweeper(world)

    for _ in range(60):
        await clock.advance(MINUTE)
        await sweeper.sweep()

    assert await stages(world, keys) == {Stage.RUNNING}


async def test_when_all_jobs_are_gone_nothing_is_believed_for_a_while(
    world: World, clock: ManualClock
) -> None:
    keys = await running(world, 20)
    for key in keys:
        world.cluster.lose(key)
    sweeper = a_sweeper(world)
    await clock.advance(2 * MINUTE)

    with capture_logs() as logs:
        await sweeper.sweep()
        await clock.advance(5 * MINUTE - 1)
        await sweeper.sweep()
        assert await stages(world, keys) == {Stage.RUNNING}
        assert [line["event"] for line in logs] == ["most jobs are missing"]

    # It is so, then: every run comes to an end.
    await clock.advance(1)
    await sweeper.sweep()
    assert await stages(world, keys) == {Stage.FAILED}


async def test_a_cluster_that_lists_its_jobs_again_has_lost_nothing(
    world: World, clock: ManualClock
) -> None:
    keys = await running(world, 20)
    gone = [world.cluster.lose(key) for key in keys]
    sweeper = a_sweeper(world)
    await clock.advance(2 * MINUTE)
    await sweeper.sweep()
    for status in gone:
        world.cluster.give_back(status)
    await clock.advance(4 * MINUTE)
    await sweeper.sweep()

    # The next time begins anew.
    for key in keys:
        world.cluster.lose(key)
    await clock.advance(2 * MINUTE)
    await sweeper.sweep()

    assert await stages(world, keys) == {Stage.RUNNING}


async def test_some_that_are_missing_are_given_up_at_once(world: World, clock: ManualClock) -> None:
    keys = await running(world, 40)
    for key in keys[:15]:
        world.cluster.lose(key)
    await clock.advance(2 * MINUTE)

    await a_sweeper(world).sweep()

    assert await stages(world, keys[:15]) == {Stage.FAILED}
    assert await stages(world, keys[15:]) == {Stage.RUNNING}
