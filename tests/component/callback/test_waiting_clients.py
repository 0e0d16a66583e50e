"""Who waits for a result hears of it at once, at whatever scheduler."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import msgspec
import pytest

from nexus_core.domain.callback import FINISHED_PATH, FinishedRuns
from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import Stage
from nexus_core.settings.sections import Callback
from nexus_core.settings.values import Secret
from nexus_core.web.server import bind
from support.calls import Answer, Client
from support.receiver_client import ReceiverClient, metric
from support.services import World
from support.stored_runs import store_run
from support.waiting import until

PATIENCE = 10.0


@asynccontextmanager
async def waiting(scheduler: Client, key: RunKey) -> AsyncIterator["asyncio.Task[Answer]"]:
    """Wait for a run's result at a scheduler, from before the block begins."""
    path = f"/algorithm/results/{key.algorithm}/requests/{key.request_id}?wait=5m"
    task = asyncio.create_task(scheduler.get(path))
    async with asyncio.timeout(PATIENCE):
        while not await metric(scheduler, "nexus_scheduler_waiting_clients"):
            pass
        yield task
        await task


@pytest.fixture
async def scheduler(world: World) -> AsyncIterator[Client]:
    async with world.scheduler(host_name="scheduler-a") as url:
        yield Client(world.session, url)


@pytest.fixture
async def other_scheduler(world: World) -> AsyncIterator[Client]:
    with bind("127.0.0.1", 0) as address:
        async with replace(world, address=address).scheduler(host_name="scheduler-b") as url:
            yield Client(world.session, url)


async def test_a_completion_is_heard_of_at_once_at_every_scheduler(
    world: World, scheduler: Client, other_scheduler: Client
) -> None:
    key = await store_run(world, Stage.RUNNING)
    async with (
        world.receiver() as receiver,
        waiting(scheduler, key) as here,
        waiting(other_scheduler, key) as there,
    ):
        await ReceiverClient(world.session, receiver).complete(key, resultUri="uri")

    assert here.result().json() == there.result().json()
    assert here.result().json()["status"] == "COMPLETED"
    assert here.result().json()["resultUri"] == "uri"


async def test_a_verdict_of_the_supervisor_is_heard_of_at_once(
    world: World, scheduler: Client
) -> None:
    key = await store_run(world, Stage.RUNNING)
    async with world.supervisor(), waiting(scheduler, key) as answer:
        await until(lambda: world.cluster.followers)
        world.cluster.fail(key, "DeadlineExceeded")

    assert answer.result().json()["status"] == "DEADLINE_EXCEEDED"


async def test_the_end_of_another_run_wakes_nobody(world: World, scheduler: Client) -> None:
    key = await store_run(world, Stage.RUNNING)
    other = await store_run(world, Stage.RUNNING)
    async with world.receiver() as url:
        receiver = ReceiverClient(world.session, url)
        async with waiting(scheduler, key) as answer:
            await receiver.complete(other)
            assert not answer.done()
            await receiver.complete(key)


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer"}, {"Authorization": "Bearer wrong"}]
)
async def test_nobody_without_the_secret_is_heard(
    scheduler: Client, headers: dict[str, str]
) -> None:
    body = msgspec.json.encode(FinishedRuns((RunKey("hello-world", "x"),)))

    answer = await scheduler.post(FINISHED_PATH, data=body, headers=headers)

    assert answer.status == 401


async def test_a_token_of_the_public_api_does_not_open_the_call_back(world: World) -> None:
    async with world.scheduler(api_tokens=(Secret("public"),)) as url:
        answer = await Client(world.session, url).post(
            FINISHED_PATH, {"runs": []}, headers={"Authorization": "Bearer public"}
        )

    assert answer.status == 401


async def test_what_is_no_call_back_is_refused(world: World) -> None:
    callback = Callback(secret=Secret("secret"))
    headers = {"Authorization": "Bearer secret"}
    async with world.scheduler(callback=callback) as url:
        scheduler = Client(world.session, url)
        bad = await scheduler.post(FINISHED_PATH, {"runs": "all"}, headers=headers)
        good = await scheduler.post(FINISHED_PATH, {"runs": []}, headers=headers)

    assert (bad.status, good.status) == (400, 200)
