"""What the newest API has that v1 has not."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import pytest

from nexus_core.domain.callback import FINISHED_PATH, FinishedRuns
from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import Stage, StageChange
from support.calls import JSON, PROBLEM, RUN_ROUTES, TEXT, UNKNOWN, Answer, Client, of
from support.clock import ManualClock
from support.receiver_client import metric
from support.runs import LONG_AGO, a_checkpoint
from support.services import World
from support.waiting import until

PREFIXES = ("/algorithm", "/algorithm/latest")


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_all_of_v1_is_there_under_both_names(world: World, api: Client, prefix: str) -> None:
    world.cluster.open_gate.clear()
    run = await api.post(f"{prefix}/run/hello-world", {"algorithmParameters": {}, "tag": "mine"})
    key = RunKey("hello-world", run.json()["requestId"])
    answers = [run]
    for method, path, body in RUN_ROUTES:
        answers.append(await api.call(method, prefix + path.format(of(key)), json=body))
    answers.append(await api.get(f"{prefix}/results/tags/other"))
    assert [(answer.status, answer.content_type) for answer in answers] == [
        (202, JSON),
        (200, JSON),
        (200, JSON),
        (200, JSON),
        (302, TEXT),
        (200, TEXT),
        (200, JSON),
        (200, JSON),
    ]
    assert answers[-1].json()[0]["requestId"] == key.request_id


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_an_unknown_run_is_a_problem_document(api: Client, prefix: str) -> None:
    for method, path, body in RUN_ROUTES:
        where = prefix + path.format(of(UNKNOWN))
        answer = await api.call(method, where, json=body)
        assert (answer.status, answer.content_type) == (404, PROBLEM), path
        problem = answer.json()
        assert UNKNOWN.request_id in problem.pop("detail")
        assert problem == {"title": "Not Found", "status": 404, "instance": where}


async def test_a_payload_that_is_not_stored_is_a_404(world: World, api: Client) -> None:
    foreign = a_checkpoint(payload_uri="")
    await world.stores.store.accept(foreign, None)
    answer = await api.get(f"/algorithm/payload/{of(foreign.key)}")
    assert (answer.status, answer.content_type) == (404, PROBLEM)


async def test_cancelling_a_run_that_has_finished_is_a_conflict(world: World, api: Client) -> None:
    done = a_checkpoint(lifecycle_stage=Stage.FAILED)
    await world.stores.store.accept(done, None)
    answer = await api.post(f"/algorithm/cancel/{of(done.key)}", {})
    assert (answer.status, answer.content_type) == (409, PROBLEM)
    assert "FAILED" in answer.json()["detail"]
    assert await world.stage(done.key) is Stage.FAILED


# Long polls. Time stands still in them, so that what answers is what the test does.


@pytest.fixture
async def poll(still_world: World, clock: ManualClock) -> "Poll":
    return Poll(still_world, clock)


class Poll:
    """A client that waits for a run whose Job does not come to be."""

    def __init__(self, world: World, clock: ManualClock) -> None:
        self.world = world
        self._clock = clock

    async def begin(self, url: str, wait: str = "30s") -> tuple[RunKey, asyncio.Task[Answer]]:
        self.world.cluster.open_gate.clear()
        key = await self.world.run(url)
        client = Client(self.world.session, url)
        sleepers = self._clock.sleepers
        answer = asyncio.create_task(client.get(f"/algorithm/results/{of(key)}?wait={wait}"))
        await until(lambda: self._clock.sleepers > sleepers)
        return key, answer


async def test_a_long_poll_is_answered_when_its_time_is_over(
    poll: Poll, clock: ManualClock
) -> None:
    async with poll.world.scheduler() as url:
        _, answer = await poll.begin(url)
        await clock.advance(29.9)
        assert not answer.done()
        # It may be reading the store just now, and sleep again afterwards.
        while not answer.done():
            await clock.advance(0.1)
            await asyncio.sleep(0.001)
        assert (await answer).json()["status"] == "BUFFERED"
        poll.world.cluster.open_gate.set()


async def test_a_call_back_wakes_a_long_poll_at_once(poll: Poll) -> None:
    async with poll.world.scheduler() as url:
        key, answer = await poll.begin(url)
        change = StageChange(to=Stage.COMPLETED, at=LONG_AGO, result_uri="s3a://results/1")
        await poll.world.stores.store.advance(key, change)
        told = await call_back(poll.world, url, key)
        assert (told.status, told.body) == (200, b"{}")
        result = (await answer).json()
        assert (result["status"], result["resultUri"]) == ("COMPLETED", "s3a://results/1")
        poll.world.cluster.open_gate.set()


async def test_a_call_back_for_a_run_that_goes_on_wakes_nobody_for_good(poll: Poll) -> None:
    async with poll.world.scheduler() as url:
        key, answer = await poll.begin(url)
        await call_back(poll.world, url, key, UNKNOWN)
        assert not answer.done()
        await poll.world.stores.store.advance(key, StageChange(to=Stage.FAILED, at=LONG_AGO))
        await call_back(poll.world, url, key)
        assert (await answer).json()["status"] == "FAILED"
        poll.world.cluster.open_gate.set()


async def test_cancelling_wakes_a_long_poll_at_once(poll: Poll) -> None:
    async with poll.world.scheduler() as url:
        key, answer = await poll.begin(url)
        await Client(poll.world.session, url).post(f"/algorithm/cancel/{of(key)}", {})
        assert (await answer).json()["status"] == "CANCELLED"
        poll.world.cluster.open_gate.set()


async def test_a_long_poll_finds_what_nobody_told_it(poll: Poll, clock: ManualClock) -> None:
    async with poll.world.scheduler() as url:
        key, answer = await poll.begin(url)
        await poll.world.stores.store.advance(key, StageChange(to=Stage.COMPLETED, at=LONG_AGO))
        await clock.advance(0.5)
        assert (await answer).json()["status"] == "COMPLETED"
        poll.world.cluster.open_gate.set()


async def test_a_long_poll_is_answered_while_the_service_shuts_down(poll: Poll) -> None:
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(poll.world.scheduler())
        _, answer = await poll.begin(url)
        poll.world.cluster.open_gate.set()
        await stack.aclose()
        assert (await answer).status == 200


async def test_a_long_poll_ends_when_its_client_leaves(poll: Poll, clock: ManualClock) -> None:
    async with poll.world.scheduler() as url:
        _, answer = await poll.begin(url, wait="5m")
        assert await waiting_clients(url, poll.world) == 1

        answer.cancel()
        await asyncio.wait({answer})
        async with asyncio.timeout(5):
            while await waiting_clients(url, poll.world):
                # Far less than its five minutes: it looks up now and then.
                await clock.advance(0.01)

        assert clock.monotonic() < 60
        poll.world.cluster.open_gate.set()


async def waiting_clients(url: str, world: World) -> float:
    return await metric(Client(world.session, url), "nexus_scheduler_waiting_clients")


async def test_a_finished_or_unknown_run_is_not_waited_for(still_world: World) -> None:
    done = a_checkpoint(lifecycle_stage=Stage.FAILED, algorithm_failure_cause="It broke.")
    await still_world.stores.store.accept(done, None)
    async with still_world.scheduler() as url:
        client = Client(still_world.session, url)
        at_once = await client.get(f"/algorithm/results/{of(done.key)}?wait=5m")
        assert at_once.json()["runErrorMessage"] == "It broke."
        assert (await client.get(f"/algorithm/results/{of(UNKNOWN)}?wait=5m")).status == 404


async def test_a_call_back_needs_the_shared_secret(api: Client) -> None:
    body = msgspec.json.encode(FinishedRuns((UNKNOWN,)))
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer"}):
        answer = await api.post(FINISHED_PATH, data=body, headers=headers)
        assert (answer.status, answer.content_type) == (401, PROBLEM)


async def test_a_call_back_that_is_none_is_refused(world: World, api: Client) -> None:
    headers = {"Authorization": f"Bearer {secret_of(world)}"}
    for body in (b"", b"[]", b'{"runs": [7]}'):
        answer = await api.post(FINISHED_PATH, data=body, headers=headers)
        assert (answer.status, answer.content_type) == (400, PROBLEM)


async def call_back(world: World, url: str, *keys: RunKey) -> Answer:
    return await Client(world.session, url).post(
        FINISHED_PATH,
        data=msgspec.json.encode(FinishedRuns(keys)),
        headers={"Authorization": f"Bearer {secret_of(world)}"},
    )


def secret_of(world: World) -> str:
    return Path(world.folder, "callback.secret").read_text()
