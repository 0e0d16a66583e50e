"""Two supervisors of one cluster on one store: one leads, and the other is there for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import Stage
from nexus_core.settings.values import Interval
from nexus_supervisor.settings import LeadershipSection, Sweep
from support.calls import Client
from support.clock import ManualClock
from support.receiver_client import metric
from support.services import World
from support.stored_runs import store_run
from support.trouble import Trouble
from support.waiting import until, until_so

LEASE = 15.0
THIRD = 5.0
SETTINGS = {
    "leadership": LeadershipSection(lease_duration=Interval(LEASE)),
    "sweep": Sweep(interval=Interval(1)),
}


@asynccontextmanager
async def a_supervisor(world: World, clock: ManualClock | None = None) -> AsyncIterator[Client]:
    async with world.supervisor(clock, **SETTINGS) as url:
        yield Client(world.session, url)


async def leads(supervisor: Client) -> bool:
    return await metric(supervisor, "nexus_supervisor_leads", cluster="standalone") == 1


async def sweeps(supervisor: Client) -> float:
    return await metric(supervisor, "nexus_supervisor_sweep_duration_seconds_count")


async def comes_to_lead(supervisor: Client) -> None:
    """Wait until it leads, and has swept once."""

    async def is_so() -> bool:
        return await leads(supervisor) and await sweeps(supervisor) > 0

    await until_so(is_so)


async def let_pass(clock: ManualClock, seconds: float, supervisor: Client) -> None:
    """Let time pass in steps, each of which leaves time for the store's answers."""
    for _ in range(round(seconds)):
        await clock.advance(1)
        await supervisor.get("/metrics")
        await asyncio.sleep(0.02)


def finishes(trouble: Trouble, key: RunKey) -> int:
    """Count how often a run got to a finished stage."""
    return sum(
        call.answer.applied and call.answer.stage.finished
        for call in trouble.answers("advance")
        if call.arguments[0] == key
    )


async def test_of_two_supervisors_one_leads_and_the_other_is_ready(
    world: World, clock: ManualClock
) -> None:
    async with a_supervisor(world) as first:
        await comes_to_lead(first)
        async with a_supervisor(world) as second:
            await let_pass(clock, 60, second)

            assert await leads(first)
            assert not await leads(second)
            assert await sweeps(first) > 10
            assert await sweeps(second) == 0
            assert len(world.cluster.followers) == 1
            assert (await second.get("/readyz")).status == 200
            # Nobody who watches for silence is to be woken by who does not listen.
            silence = await metric(second, "nexus_supervisor_feed_silence_seconds")
            assert silence != silence  # noqa: PLR0124 - so NaN is told


async def test_when_the_leader_stops_the_other_leads_the_next_time_that_it_asks(
    world: World, clock: ManualClock
) -> None:
    async with AsyncExitStack() as stack:
        leader = AsyncExitStack()
        first = await leader.enter_async_context(a_supervisor(world))
        await comes_to_lead(first)
        second = await stack.enter_async_context(a_supervisor(world))
        await let_pass(clock, 1, second)

        await leader.aclose()
        await let_pass(clock, THIRD, second)

        await comes_to_lead(second)
        assert len(world.cluster.followers) == 1


async def test_when_the_leader_dies_the_other_leads_once_the_lease_has_run_out(
    world: World, clock: ManualClock, trouble: Trouble
) -> None:
    key = await store_run(world, Stage.RUNNING)
    async with AsyncExitStack() as stack:
        leader = AsyncExitStack()
        first = await leader.enter_async_context(a_supervisor(world))
        await comes_to_lead(first)
        second = await stack.enter_async_context(a_supervisor(world))
        # The dead give nothing up.
        trouble.breaks("resign")
        await leader.aclose()
        world.cluster.fail(key, "BackoffLimitExceeded")

        await let_pass(clock, LEASE - THIRD - 1, second)
        assert not await leads(second)
        await let_pass(clock, 2 * THIRD + 1, second)

        await comes_to_lead(second)
        # What nobody heard of, its sweeps see once the run is old enough to be looked at.
        await let_pass(clock, 60, second)
        await world.reaches(key, Stage.DEADLINE_EXCEEDED)


async def test_a_leader_that_was_frozen_and_the_other_do_no_harm_together(
    world: World, clock: ManualClock, trouble: Trouble
) -> None:
    frozen = ManualClock()
    told, lost = [await store_run(world, Stage.RUNNING) for _ in range(2)]
    async with a_supervisor(world, frozen) as first, a_supervisor(world) as second:
        await comes_to_lead(first)
        await let_pass(clock, LEASE + THIRD + 1, second)
        await comes_to_lead(second)
        assert await leads(first)
        assert len(world.cluster.followers) == 2

        # Both hear of one run, and both find the other one in their sweeps.
        world.cluster.fail(told, "BackoffLimitExceeded")
        await world.reaches(told, Stage.DEADLINE_EXCEEDED)
        world.cluster.lose(lost)
        before = await sweeps(first)
        await let_pass(clock, 75, second)
        await let_pass(frozen, THIRD - 1, first)
        assert await sweeps(first) > before

        assert await world.stage(lost) is Stage.FAILED
        assert [finishes(trouble, key) for key in (told, lost)] == [1, 1]

        # Its next renewal tells the frozen one.
        await let_pass(frozen, 2, first)
        await until_so(lambda: stands_by(first))
        await until(lambda: len(world.cluster.followers) == 1)
        assert await leads(second)


async def stands_by(supervisor: Client) -> bool:
    return not await leads(supervisor)


async def test_nobody_leads_while_the_store_is_away_for_longer_than_the_lease(
    world: World, clock: ManualClock, trouble: Trouble
) -> None:
    async with a_supervisor(world) as first, a_supervisor(world) as second:
        await until_so(lambda: one_leads(first, second))
        trouble.breaks("lead")
        await let_pass(clock, LEASE + 1, second)

        assert not await leads(first)
        assert not await leads(second)
        assert not world.cluster.followers
        before = await sweeps(first) + await sweeps(second)
        await let_pass(clock, 30, second)
        assert await sweeps(first) + await sweeps(second) == before

        trouble.is_over()
        await let_pass(clock, THIRD, second)

        await until_so(lambda: one_leads(first, second))
        await until(lambda: len(world.cluster.followers) == 1)


async def one_leads(first: Client, second: Client) -> bool:
    return await leads(first) is not await leads(second)


async def test_a_supervisor_alone_takes_up_again_after_an_outage(
    world: World, clock: ManualClock, trouble: Trouble
) -> None:
    key = await store_run(world, Stage.RUNNING)
    world.cluster.lose(key)
    async with a_supervisor(world) as supervisor:
        await comes_to_lead(supervisor)
        trouble.breaks("lead", "advance", "open_runs")
        await let_pass(clock, 100, supervisor)
        assert not await leads(supervisor)
        assert await world.stage(key) is Stage.RUNNING

        trouble.is_over()
        await let_pass(clock, THIRD, supervisor)

        await world.reaches(key, Stage.FAILED)
