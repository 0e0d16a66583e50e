"""What has finished is told to every scheduler that lives, in the background."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry

from nexus_core.adapters.http.scheduler_callback import HttpSchedulerCallback
from nexus_core.aio.tasks import BackgroundTasks
from nexus_core.domain.checkpoint import Lease
from nexus_core.domain.names import RunKey
from nexus_core.settings.sections import Callback
from nexus_core.settings.values import Duration, Secret
from nexus_core.telemetry.callback_metrics import CallbackMetrics
from support.clock import ManualClock, settle
from support.ear import an_ear
from support.meddling import meddled
from support.services import World
from support.trouble import AWAY, Trouble
from support.waiting import until

SECRET = "between us"
ATTEMPTS = 3

# In real seconds. What is tested of it is that it passes; all else takes but milliseconds.
PATIENCE = 0.2


def keys(count: int) -> list[RunKey]:
    return [RunKey("hello-world", str(uuid.uuid4())) for _ in range(count)]


async def passing(clock: ManualClock, fact: Callable[[], bool]) -> None:
    """Let time pass until something is so."""
    async with asyncio.timeout(10):
        while not fact():
            await clock.advance(0.1)


def opened(
    world: World, registry: CollectorRegistry | None = None, tasks: BackgroundTasks | None = None
) -> AbstractAsyncContextManager[HttpSchedulerCallback]:
    settings = Callback(Secret(SECRET), ATTEMPTS, Duration(PATIENCE))
    metrics = CallbackMetrics(registry or CollectorRegistry())
    return HttpSchedulerCallback.open(world.stores.leases, world.clock, settings, metrics, tasks)


@pytest.fixture
async def callback(world: World) -> AsyncIterator[HttpSchedulerCallback]:
    async with opened(world) as callback:
        yield callback


async def test_a_finished_run_is_told_with_the_shared_secret(
    world: World, callback: HttpSchedulerCallback
) -> None:
    (key,) = keys(1)
    async with an_ear(world) as ear:
        callback.finished(key)

        await until(lambda: ear.heard == [key])
        assert ear.authorization == f"Bearer {SECRET}"


async def test_all_schedulers_that_live_are_told_and_no_other(
    world: World, callback: HttpSchedulerCallback
) -> None:
    (key,) = keys(1)
    async with an_ear(world, "a") as a, an_ear(world, "b") as b, an_ear(world, "gone") as gone:
        await world.stores.leases.release("gone", world.clock.now())

        callback.finished(key)

        await until(lambda: a.heard == b.heard == [key])
    assert not gone.calls


async def test_what_is_not_heard_is_told_again(
    world: World, callback: HttpSchedulerCallback, clock: ManualClock
) -> None:
    (key,) = keys(1)
    async with an_ear(world) as ear:
        ear.statuses = [500, 503]
        callback.finished(key)

        await until(lambda: ear.calls and clock.sleepers)
        assert ear.calls == [[key]]

        await passing(clock, lambda: ear.heard == [key])
        assert ear.calls == [[key]] * 3


async def test_what_is_never_heard_is_given_up_and_what_comes_later_is_told(
    world: World, callback: HttpSchedulerCallback, clock: ManualClock
) -> None:
    unheard, later = keys(2)
    async with an_ear(world) as ear:
        ear.statuses = [500] * ATTEMPTS
        callback.finished(unheard)
        await passing(clock, lambda: len(ear.calls) == ATTEMPTS)
        callback.finished(later)

        await passing(clock, lambda: ear.heard == [later])
        assert ear.calls == [[unheard]] * ATTEMPTS + [[later]]


async def test_metrics_tell_what_was_heard_and_what_was_not(
    world: World, clock: ManualClock
) -> None:
    unheard, later = keys(2)
    registry = CollectorRegistry()

    def calls(outcome: str) -> float | None:
        return registry.get_sample_value("nexus_callback_calls_total", {"outcome": outcome})

    async with an_ear(world) as ear, opened(world, registry) as callback:
        ear.statuses = [500] * ATTEMPTS
        callback.finished(unheard)
        await passing(clock, lambda: calls("given_up") == 1)
        callback.finished(later)
        await passing(clock, lambda: calls("heard") == 1)

    assert calls("failed") == ATTEMPTS - 1


async def test_a_scheduler_that_hangs_holds_up_nobody_else(
    world: World, callback: HttpSchedulerCallback
) -> None:
    first, second = keys(2)
    async with an_ear(world, "hangs") as hanging, an_ear(world, "hears") as ear:
        hanging.attentive.clear()

        callback.finished(first)
        await until(lambda: hanging.calls)
        callback.finished(second)

        await until(lambda: ear.heard == [first, second])
        assert hanging.calls == [[first]]


@pytest.mark.parametrize("url", ["http://scheduler..svc:8080", "nowhere", ""])
async def test_a_scheduler_whose_url_is_none_keeps_nobody_else_from_being_told(
    world: World, clock: ManualClock, url: str
) -> None:
    (key,) = keys(1)
    odd = Lease(owner="odd", callback_url=url, expires_at=clock.now() + timedelta(minutes=1))
    await world.stores.leases.renew(odd)
    async with BackgroundTasks() as service:
        async with an_ear(world) as ear, opened(world, tasks=service) as callback:
            callback.finished(key)
            await until(lambda: ear.heard == [key])
            await settle()

        assert not service.fault.done()


async def test_what_finishes_while_a_scheduler_answers_is_told_in_one_call(
    world: World, callback: HttpSchedulerCallback
) -> None:
    first, *others = keys(50)
    async with an_ear(world) as ear:
        ear.attentive.clear()
        callback.finished(first)
        await until(lambda: ear.calls)
        for key in [*others, *others]:
            callback.finished(key)
        await asyncio.sleep(0)
        ear.attentive.set()

        await until(lambda: len(ear.heard) == 50)
        assert ear.calls == [[first], others]


async def test_a_call_stays_within_what_a_scheduler_takes(
    world: World, callback: HttpSchedulerCallback
) -> None:
    many = [RunKey("a" * 63, str(uuid.uuid4())) for _ in range(2500)]
    async with an_ear(world) as ear:
        for key in many:
            callback.finished(key)

        await until(lambda: len(ear.heard) == len(many))
        assert ear.heard == many
        assert max(map(len, ear.calls)) == 1000


async def test_the_very_first_run_is_told_though_the_receiver_stops(world: World) -> None:
    (key,) = keys(1)
    async with an_ear(world) as ear:
        async with opened(world) as callback:
            callback.finished(key)

        assert ear.heard == [key]


async def test_what_waits_behind_another_call_is_told_though_the_receiver_stops(
    world: World,
) -> None:
    first, *others = keys(20)
    async with an_ear(world) as ear:
        async with opened(world) as callback:
            ear.attentive.clear()
            callback.finished(first)
            await until(lambda: ear.calls)
            for key in others:
                callback.finished(key)
            asyncio.get_running_loop().call_soon(ear.attentive.set)

        assert ear.heard == [first, *others]


async def test_a_scheduler_that_hangs_holds_up_the_end_but_briefly(world: World) -> None:
    (key,) = keys(1)
    async with an_ear(world, "hangs") as hanging, an_ear(world, "hears") as ear:
        hanging.attentive.clear()
        async with asyncio.timeout(50 * PATIENCE), opened(world) as callback:
            callback.finished(key)

        assert ear.heard == [key]


async def test_the_end_does_not_wait_for_schedulers_that_nobody_can_name(
    world: World, trouble: Trouble
) -> None:
    (key,) = keys(1)
    async with an_ear(world) as ear:
        trouble.breaks("alive")
        async with asyncio.timeout(10 * PATIENCE), opened(world) as callback:
            callback.finished(key)

    assert not ear.calls


async def test_where_no_scheduler_lives_the_first_one_to_come_is_told(
    world: World, callback: HttpSchedulerCallback, clock: ManualClock, trouble: Trouble
) -> None:
    early, late = keys(2)
    callback.finished(early)
    await until(lambda: trouble.answers("alive"))

    async with an_ear(world) as ear:
        await clock.advance(1)
        callback.finished(late)

        await until(lambda: ear.heard == [late])


@pytest.mark.parametrize("how", ["none lives", "nobody can tell"])
async def test_who_lives_is_not_asked_again_for_each_run(world: World, how: str) -> None:
    asked = 0
    alive = world.stores.leases.alive

    async def count(*arguments: datetime) -> Sequence[Lease]:
        nonlocal asked
        asked += 1
        if how == "nobody can tell":
            raise AWAY
        return await alive(*arguments)

    world.stores = replace(world.stores, leases=meddled(world.stores.leases, alive=count))
    async with opened(world) as callback:
        callback.finished(keys(1)[0])
        await until(lambda: asked)
        await settle()
        for key in keys(100):
            callback.finished(key)
            await settle()
    assert asked == 1


async def test_a_scheduler_that_is_gone_is_not_called_without_a_pause(
    world: World, callback: HttpSchedulerCallback, clock: ManualClock
) -> None:
    async with an_ear(world) as ear:
        ear.statuses = [503] * 1000
        for key in keys(300):
            callback.finished(key)
            await clock.advance(0.1)
            await asyncio.sleep(0.001)

        # In half a minute; without pauses from batch to batch some two hundred.
        assert len(ear.calls) <= 40


async def test_schedulers_that_come_and_go_are_noticed_within_seconds(
    world: World, callback: HttpSchedulerCallback, clock: ManualClock, trouble: Trouble
) -> None:
    first, second, third = keys(3)
    async with an_ear(world, "old") as old, an_ear(world, "new") as new:
        await world.stores.leases.release("new", clock.now())
        callback.finished(first)
        await until(lambda: old.heard == [first])
        callback.finished(second)
        await until(lambda: old.heard == [first, second])
        assert len(trouble.answers("alive")) == 1

    async with an_ear(world, "new") as new:
        await world.stores.leases.release("old", clock.now())
        await clock.advance(5)
        callback.finished(third)
        await until(lambda: new.heard == [third])

    assert third not in old.heard


async def test_known_schedulers_are_told_while_the_store_is_away(
    world: World, callback: HttpSchedulerCallback, clock: ManualClock, trouble: Trouble
) -> None:
    first, second = keys(2)
    async with an_ear(world) as ear:
        callback.finished(first)
        await until(lambda: ear.heard == [first])

        trouble.breaks("alive")
        await clock.advance(60)
        callback.finished(second)

        await until(lambda: ear.heard == [first, second])


@pytest.mark.parametrize("at_once", [12_000, 1_000], ids=["at once", "bit by bit"])
async def test_what_piles_up_for_a_scheduler_that_hangs_is_bounded(
    world: World, callback: HttpSchedulerCallback, at_once: int
) -> None:
    first, *others, later = keys(12_002)
    async with an_ear(world) as ear:
        ear.attentive.clear()
        callback.finished(first)
        await until(lambda: ear.calls)
        for number, key in enumerate(others):
            if number % at_once == 0:
                await settle()  # what came before is in the mailbox
            callback.finished(key)
        ear.attentive.set()

        await until(lambda: len(ear.heard) >= 10_001)
        # Had more been kept, it would be told before this one.
        callback.finished(later)
        await until(lambda: later in ear.heard)
        assert ear.heard == [first, *others[:10_000], later]
