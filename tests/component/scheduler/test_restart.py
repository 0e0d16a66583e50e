"""Stopping a scheduler, and starting it again."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from nexus_core.domain.checkpoint import Acceptance, Lease, OpenRun
from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import Stage, StageChange
from nexus_core.settings.payloads import BufferConfig, S3Buffer
from nexus_core.settings.values import Duration
from support.calls import Client
from support.clock import ManualClock, settle
from support.meddling import meddled
from support.receiver_client import metric
from support.services import World
from support.trouble import Trouble

ONE_WORKER = S3Buffer(buffer_config=BufferConfig(workers=1))


async def queue_up(world: World, clock: ManualClock, runs: int) -> list[RunKey]:
    """Let a scheduler accept runs, and stop while the cluster has not taken any of them."""
    world.cluster.open_gate.clear()
    keys = []
    async with world.scheduler(s3_buffer=ONE_WORKER, drain_timeout=Duration(0.01)) as url:
        for _ in range(runs):
            keys.append(await world.run(url))
            await clock.advance(1)
    assert not world.cluster.creations
    world.cluster.open_gate.set()
    return keys


async def test_what_was_queued_is_launched_after_a_restart_oldest_first_and_once(
    still_world: World, clock: ManualClock
) -> None:
    keys = await queue_up(still_world, clock, 5)
    async with still_world.scheduler(s3_buffer=ONE_WORKER):
        for key in keys:
            await still_world.reaches(key, Stage.RUNNING)
    assert list(still_world.cluster.creations) == keys
    assert set(still_world.cluster.creations.values()) == {1}


async def test_what_was_queued_before_goes_ahead_of_what_comes_after(
    still_world: World, clock: ManualClock
) -> None:
    old = await queue_up(still_world, clock, 3)
    still_world.cluster.open_gate.clear()
    index, answers = still_world.stores.index, asyncio.Event()

    async def buffered_by(*arguments: Any) -> Sequence[OpenRun]:
        await answers.wait()
        return await index.buffered_by(*arguments)

    slow = meddled(index, buffered_by=buffered_by)
    still_world.stores = replace(still_world.stores, index=slow)
    async with still_world.scheduler(s3_buffer=ONE_WORKER) as url:
        begun, *fresh = [await still_world.run(url) for _ in range(3)]
        await until_queued(still_world, url, 2)
        answers.set()
        await until_queued(still_world, url, 5)
        still_world.cluster.open_gate.set()
        await still_world.reaches(fresh[-1], Stage.RUNNING)
    assert list(still_world.cluster.creations) == [begun, *old, *fresh]


async def until_queued(world: World, url: str, runs: int) -> None:
    waiting = f'nexus_scheduler_queued_runs{{cluster="standalone"}} {runs}.0'
    while waiting not in (await Client(world.session, url).get("/metrics")).text:
        pass


async def test_a_run_that_was_cancelled_meanwhile_is_not_launched(
    still_world: World, clock: ManualClock
) -> None:
    cancelled, other = await queue_up(still_world, clock, 2)
    async with still_world.scheduler(host_name="another") as url:
        api = Client(still_world.session, url)
        path = f"{cancelled.algorithm}/requests/{cancelled.request_id}"
        assert (await api.post(f"/algorithm/cancel/{path}", {})).status == 200
    async with still_world.scheduler():
        await still_world.reaches(other, Stage.RUNNING)
    assert list(still_world.cluster.creations) == [other]


async def test_what_another_scheduler_queued_is_left_to_it(
    still_world: World, clock: ManualClock
) -> None:
    await queue_up(still_world, clock, 1)
    async with still_world.scheduler(host_name="another") as url:
        own = await still_world.run(url)
        await still_world.reaches(own, Stage.RUNNING)
    assert list(still_world.cluster.creations) == [own]


async def test_a_queue_that_is_smaller_than_what_was_left_takes_it_up_bit_by_bit(
    still_world: World, clock: ManualClock
) -> None:
    keys = await queue_up(still_world, clock, 7)
    still_world.cluster.open_gate.clear()
    small = S3Buffer(buffer_config=BufferConfig(workers=1, queue_limit=2))
    async with still_world.scheduler(s3_buffer=small) as url:
        # One is on its way to the cluster, and there is room for two.
        await until_queued(still_world, url, 2)
        await clock.advance(10)
        api = Client(still_world.session, url)
        assert await metric(api, "nexus_scheduler_queued_runs") == 2
        still_world.cluster.open_gate.set()
        while len(still_world.cluster.creations) < len(keys):
            await clock.advance(1)
            await asyncio.sleep(0.001)
    assert list(still_world.cluster.creations) == keys


async def test_a_launch_under_way_ends_and_no_other_begins(world: World) -> None:
    world.cluster.open_gate.clear()
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(
            world.scheduler(s3_buffer=ONE_WORKER, drain_timeout=Duration(60))
        )
        first, second = await world.run(url), await world.run(url)
        idle, writer = await asyncio.open_connection("127.0.0.1", urlsplit(url).port)
        # One that is not taken yet would wait for the next scheduler at this address.
        writer.write(b"GET /livez HTTP/1.1\r\nHost: here\r\n\r\n")
        await idle.readuntil(b"ok")
        closing = asyncio.create_task(stack.aclose())
        # Connections end before the drain of the queue begins.
        assert await idle.read() == b""
        writer.close()
        await settle()
        world.cluster.open_gate.set()
        # The drain might take a minute, and must not take it for nothing.
        async with asyncio.timeout(20):
            await closing
    assert await world.stage(first) is Stage.RUNNING
    assert await world.stage(second) is Stage.BUFFERED
    assert list(world.cluster.creations) == [first]


async def test_a_launch_that_hangs_does_not_hold_up_the_end_for_ever(world: World) -> None:
    world.cluster.open_gate.clear()
    async with world.scheduler(drain_timeout=Duration(0.02)) as url:
        key = await world.run(url)
    assert await world.stage(key) is Stage.BUFFERED


async def test_a_request_under_way_is_answered(world: World) -> None:
    reached, gate = asyncio.Event(), asyncio.Event()
    store = world.stores.store

    async def hang(*arguments: Any) -> Acceptance:
        reached.set()
        await gate.wait()
        return await store.accept(*arguments)

    world.stores = replace(world.stores, store=meddled(store, accept=hang))
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(world.scheduler())
        run = asyncio.create_task(world.run(url))
        await reached.wait()
        closing = asyncio.create_task(stack.aclose())
        await settle()
        assert not closing.done()
        gate.set()
        key = await run
        await closing
    assert await store.find(key) is not None


async def test_a_scheduler_shows_that_it_lives_until_it_stops(
    still_world: World, clock: ManualClock
) -> None:
    settings = {"host_name": "scheduler-7", "callback_url": "http://scheduler-7:8080"}
    leases, answered = still_world.stores.leases, asyncio.Event()

    async def renew(lease: Lease) -> None:
        await leases.renew(lease)
        answered.set()

    still_world.stores = replace(still_world.stores, leases=meddled(leases, renew=renew))
    async with still_world.scheduler(**settings, lease_duration=Duration(30)):
        for _ in range(6):
            # What is stored can be read before who stored it knows, and sleeps until next time.
            await answered.wait()
            answered.clear()
            (lease,) = await leases.alive(clock.now())
            assert (lease.owner, lease.callback_url) == tuple(settings.values())
            assert lease.expires_at == clock.now() + timedelta(seconds=30)
            await clock.advance(10)
        await answered.wait()
    assert await leases.alive(clock.now()) == []
    assert [lease.owner for lease in await leases.expired(clock.now())] == ["scheduler-7"]


async def test_who_sends_work_is_told_before_it_is_no_longer_taken(
    still_world: World, clock: ManualClock
) -> None:
    async with AsyncExitStack() as stack:
        settings = {"unready_grace": Duration(5)}
        url = await stack.enter_async_context(still_world.scheduler(**settings))
        api = Client(still_world.session, url)
        assert (await api.get("/readyz")).status == 200

        closing = asyncio.create_task(stack.pop_all().aclose())
        await settle()
        assert (await api.get("/readyz")).status == 503
        key = await still_world.run(url)
        assert not closing.done()

        await clock.advance(5)
        await closing
        assert await still_world.stage(key) is not None


async def test_who_may_be_taken_for_dead_looks_at_a_run_before_it_starts_it(
    still_world: World, clock: ManualClock
) -> None:
    trouble = Trouble()
    trouble.breaks("renew")
    still_world.stores = trouble.befalls(still_world.stores)
    still_world.cluster.open_gate.clear()
    async with still_world.scheduler(s3_buffer=ONE_WORKER) as url:
        first, settled, last = [await still_world.run(url) for _ in range(3)]
        # A supervisor started it meanwhile; it failed, and its Job is gone.
        change = StageChange(to=Stage.FAILED, at=clock.now())
        await still_world.stores.store.advance(settled, change)
        still_world.cluster.open_gate.set()
        await still_world.reaches(last, Stage.RUNNING)
    assert list(still_world.cluster.creations) == [first, last]
