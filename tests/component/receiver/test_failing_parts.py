"""A completion is durable before it is answered, whatever else goes wrong."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from nexus_core.domain.checkpoint import Lease
from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.stages import Stage
from nexus_core.settings.sections import Callback
from nexus_core.settings.values import Duration, Secret
from support.receiver_client import ReceiverClient
from support.services import World
from support.stored_runs import store_run
from support.trouble import Trouble
from support.waiting import until

# So that what is never heard holds up the end of a test but briefly.
IMPATIENT = Callback(secret=Secret("secret"), attempts=1, timeout=Duration(0.1))


@pytest.mark.parametrize("body", [{"resultUri": "uri"}, {"errorCause": "cause"}])
async def test_while_the_store_is_away_a_completion_is_to_be_sent_again(
    world: World, receiver: ReceiverClient, trouble: Trouble, body: dict[str, str]
) -> None:
    key = await store_run(world, Stage.RUNNING)
    trouble.breaks("advance", error=UnavailableError("away", retry_after=2.5))

    refused = await receiver.report(key, json=body)
    trouble.is_over()
    taken = await receiver.report(key, json=body)

    assert (refused.status, refused.content_type) == (503, "text/plain")
    assert refused.headers["Retry-After"] == "3"
    assert taken.status == 202


async def test_while_the_store_is_away_a_check_is_to_be_sent_again(
    world: World, receiver: ReceiverClient, trouble: Trouble
) -> None:
    key = await store_run(world, Stage.RUNNING)
    trouble.breaks("find")

    reply = await receiver.check(key)

    assert (reply.status, reply.content_type) == (503, "application/json")
    assert isinstance(reply.json(), str)
    assert int(reply.headers["Retry-After"]) >= 1


async def test_an_uploaded_result_is_not_forgotten_because_its_store_is_away(
    world: World, receiver: ReceiverClient, trouble: Trouble
) -> None:
    key = await store_run(world, Stage.RUNNING)
    trouble.breaks("size")

    assert (await receiver.report(key, json={})).status == 503
    assert await world.stage(key) is Stage.RUNNING
    assert (await receiver.report(key, json={"resultUri": "named"})).status == 202


async def test_an_error_that_nobody_foresaw_is_answered_and_told_to_nobody(
    world: World, receiver: ReceiverClient, trouble: Trouble
) -> None:
    key = await store_run(world, Stage.RUNNING)
    trouble.breaks("advance", "find", error=RuntimeError("password=hunter2"))

    complete = await receiver.report(key, json={})
    check = await receiver.check(key)

    assert (complete.status, complete.content_type) == (500, "text/plain")
    assert (check.status, check.content_type) == (500, "application/json")
    assert "hunter2" not in complete.text + check.text


async def test_a_completion_needs_no_read_before_its_write(
    world: World, receiver: ReceiverClient, trouble: Trouble
) -> None:
    key = await store_run(world, Stage.RUNNING)
    trouble.calls.clear()

    await receiver.complete(key, resultUri="uri")

    assert {call.method for call in trouble.calls} <= {"advance", "alive"}


@asynccontextmanager
async def a_scheduler_that(behaves: str) -> AsyncIterator[str]:
    """Give the base URL of something in a scheduler's place."""
    if behaves == "is not there":
        yield f"http://127.0.0.1:{unused_port()}"
        return
    if behaves == "has no address":
        yield "not a url"
        return
    over = asyncio.Event()

    async def hear(_: web.Request) -> web.Response:
        if behaves == "hangs":
            await over.wait()
        return web.Response(status=500 if behaves == "breaks" else 401)

    app = web.Application()
    app.router.add_post("/internal/v1/finished", hear)
    async with TestServer(app) as server:
        yield str(server.make_url("/"))
        over.set()


@pytest.mark.parametrize(
    "scheduler", ["is not there", "has no address", "hangs", "breaks", "knows another secret"]
)
async def test_a_scheduler_that_does_not_hear_neither_fails_nor_delays_a_completion(
    world: World, scheduler: str
) -> None:
    keys = [await store_run(world, Stage.RUNNING) for _ in range(3)]
    async with a_scheduler_that(scheduler) as callback_url:
        await world.stores.leases.renew(
            Lease(
                owner="scheduler-0",
                callback_url=callback_url,
                expires_at=world.clock.now() + timedelta(minutes=1),
            )
        )
        async with world.receiver(callback=IMPATIENT) as url:
            receiver = ReceiverClient(world.session, url)
            # One after the other: were one of them to wait for the call back, so would the test.
            for key in keys:
                async with asyncio.timeout(5):
                    await receiver.complete(key)

    assert [await world.stage(key) for key in keys] == [Stage.COMPLETED] * 3


async def test_a_receiver_that_does_not_know_the_schedulers_takes_completions(
    world: World, receiver: ReceiverClient, trouble: Trouble
) -> None:
    trouble.breaks("alive")
    keys = [await store_run(world, Stage.RUNNING) for _ in range(3)]

    for key in keys:
        await receiver.complete(key)

    assert [await world.stage(key) for key in keys] == [Stage.COMPLETED] * 3


async def test_a_completion_under_way_is_recorded_when_the_receiver_stops(
    world: World, trouble: Trouble
) -> None:
    key = await store_run(world, Stage.RUNNING)
    gate = trouble.holds_up(key)

    async with world.receiver() as url:
        completion = asyncio.create_task(ReceiverClient(world.session, url).complete(key))
        await until(lambda: key in trouble.waiting)
        asyncio.get_running_loop().call_later(0.05, gate.set)

    assert (await completion).status == 202
    assert await world.stage(key) is Stage.COMPLETED
