"""What is answered 202 is safe; what is not safe is not answered 202."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from nexus_core.domain.checkpoint import Acceptance, RunFilter
from nexus_core.domain.errors import OverloadedError, UnavailableError
from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import Stage
from nexus_core.ports.payload_store import Content
from nexus_core.settings.payloads import BufferConfig, S3Buffer
from support.calls import PROBLEM, TEXT, Client, of
from support.meddling import meddled
from support.services import World
from support.trouble import Trouble
from support.waiting import until

BODY: dict[str, dict[str, str]] = {"algorithmParameters": {}}
VERSIONS = [("/v1", TEXT), ("", PROBLEM)]


async def runs_in(world: World) -> int:
    return len(await world.stores.index.runs(RunFilter(), 100))


def payloads_in(world: World) -> int:
    return len(list(world.folder.glob("payloads/algorithm=*/*")))


@pytest.mark.parametrize(("version", "content_type"), VERSIONS)
@pytest.mark.parametrize("broken", ["put", "accept"])
async def test_a_store_that_is_away_is_503_and_nothing_is_accepted(
    world: World, broken: str, version: str, content_type: str
) -> None:
    trouble, stores = Trouble(), world.stores
    world.stores = trouble.befalls(stores)
    async with world.scheduler() as url:
        api = Client(world.session, url)
        earlier = await world.run(url)  # a part whose very first answer is bad is not asked again
        trouble.breaks(broken, error=UnavailableError("no store today", retry_after=6.2))
        answer = await api.post(f"/algorithm{version}/run/hello-world", BODY)
        assert (answer.status, answer.content_type) == (503, content_type)
        assert answer.headers["Retry-After"] == "7"
        assert "no store today" in answer.text
        assert await runs_in(world) == 1
        trouble.is_over()
        key = await world.run(url)
        await until(lambda: {earlier, key} <= set(world.cluster.creations))
    # Nothing of the one that was refused comes up later.
    assert set(world.cluster.creations) == {earlier, key}


async def test_the_payload_is_stored_before_the_run_is_recorded(world: World) -> None:
    steps: list[str] = []
    store, payloads = world.stores.store, world.stores.payloads

    async def accept(*arguments: Any) -> Acceptance:
        assert payloads_in(world) == 1
        steps.append("run")
        return await store.accept(*arguments)

    async def put(*arguments: Any) -> None:
        assert await runs_in(world) == 0
        await payloads.put(*arguments)
        steps.append("payload")

    world.stores = replace(
        world.stores, store=meddled(store, accept=accept), payloads=meddled(payloads, put=put)
    )
    async with world.scheduler() as url:
        await world.run(url)
    assert steps == ["payload", "run"]


@pytest.mark.parametrize("part", ["payloads", "store"])
async def test_nothing_is_answered_or_launched_before_all_is_stored(
    world: World, part: str
) -> None:
    reached, gate = asyncio.Event(), asyncio.Event()
    method = {"payloads": "put", "store": "accept"}[part]
    real = getattr(world.stores, part)

    async def hang(*arguments: Any) -> Any:
        reached.set()
        await gate.wait()
        return await getattr(real, method)(*arguments)

    world.stores = replace(world.stores, **{part: meddled(real, **{method: hang})})
    async with world.scheduler() as url:
        run = asyncio.create_task(world.run(url))
        await reached.wait()
        # Others are served meanwhile, and see nothing of it.
        assert (await Client(world.session, url).get("/algorithm/runs")).json() == {"runs": []}
        assert not run.done()
        assert not world.cluster.creations
        gate.set()
        key = await run
        await until(lambda: key in world.cluster.creations)


@pytest.mark.parametrize("version", ["/v1", ""])
async def test_a_run_that_was_stored_after_all_is_accepted(world: World, version: str) -> None:
    store = world.stores.store

    async def accept_and_lose_touch(*arguments: Any) -> Acceptance:
        await store.accept(*arguments)
        raise UnavailableError("the answer did not come in time")

    world.stores = replace(world.stores, store=meddled(store, accept=accept_and_lose_touch))
    async with world.scheduler() as url:
        answer = await Client(world.session, url).post(f"/algorithm{version}/run/hello-world", BODY)
        assert answer.status == 202
        key = RunKey("hello-world", answer.json()["requestId"])
        await until(lambda: key in world.cluster.creations)
    assert await runs_in(world) == 1


@pytest.mark.parametrize(("version", "content_type"), VERSIONS)
async def test_a_fault_of_our_own_is_500_and_tells_nothing_of_it(
    world: World, version: str, content_type: str
) -> None:
    trouble = Trouble()
    trouble.breaks("put", error=RuntimeError("the secret is 1234"))
    world.stores = trouble.befalls(world.stores)
    async with world.scheduler() as url:
        answer = await Client(world.session, url).post(f"/algorithm{version}/run/hello-world", BODY)
        assert (answer.status, answer.content_type) == (500, content_type)
        assert "1234" not in answer.text
        assert await runs_in(world) == 0


async def test_a_client_that_leaves_too_early_has_its_run_all_the_same(world: World) -> None:
    reached, gate = asyncio.Event(), asyncio.Event()
    store = world.stores.store

    async def hang(*arguments: Any) -> Acceptance:
        reached.set()
        await gate.wait()
        return await store.accept(*arguments)

    world.stores = replace(world.stores, store=meddled(store, accept=hang))
    async with world.scheduler() as url:
        impatient = asyncio.create_task(world.run(url))
        await reached.wait()
        impatient.cancel()
        gate.set()
        await until(lambda: world.cluster.creations)
    assert await runs_in(world) == 1


# A full queue.


@pytest.mark.parametrize(("version", "content_type"), VERSIONS)
async def test_a_full_queue_is_429_and_what_was_accepted_can_still_be_asked_for(
    world: World, version: str, content_type: str
) -> None:
    world.cluster.open_gate.clear()
    config = S3Buffer(buffer_config=BufferConfig(workers=1, queue_limit=2))
    async with world.scheduler(s3_buffer=config) as url:
        api = Client(world.session, url)
        accepted: list[RunKey] = []
        while True:
            answer = await api.post(f"/algorithm{version}/run/hello-world", BODY)
            if answer.status != 202:
                break
            accepted.append(RunKey("hello-world", answer.json()["requestId"]))
        assert (answer.status, answer.content_type) == (429, content_type)
        assert int(answer.headers["Retry-After"]) > 0
        # One is on its way to the cluster, two wait.
        assert len(accepted) == 3
        assert (await runs_in(world), payloads_in(world)) == (3, 3)
        for key in accepted:
            assert (await api.get(f"/algorithm{version}/results/{of(key)}")).status == 200
        # A place becomes free by cancelling, too.
        await api.post(f"/algorithm{version}/cancel/{of(accepted[-1])}", {})
        accepted[-1] = await world.run(url)
        world.cluster.open_gate.set()
        await until(lambda: set(world.cluster.creations) == set(accepted))


async def test_a_store_that_has_too_much_to_do_is_429(world: World) -> None:
    trouble = Trouble()
    trouble.breaks("accept", error=OverloadedError("too much waits", retry_after=1.0))
    world.stores = trouble.befalls(world.stores)
    async with world.scheduler() as url:
        answer = await Client(world.session, url).post("/algorithm/v1/run/hello-world", BODY)
        assert (answer.status, answer.headers["Retry-After"]) == (429, "1")


async def test_a_dry_run_is_completed_and_never_reaches_the_cluster(world: World) -> None:
    async with world.scheduler() as url:
        api = Client(world.session, url)
        answer = await api.post("/algorithm/v1/run/hello-world?dryRun=true", BODY)
        key = RunKey("hello-world", answer.json()["requestId"])
        assert await world.stage(key) is Stage.COMPLETED
        # Its Job and payload are there to be looked at.
        assert (await api.get(f"/algorithm/buffer/{of(key)}")).json()["kind"] == "Job"
        assert await world.stores.payloads.size(Content.PAYLOAD, key) == 2
        after = await world.run(url)
        await until(lambda: after in world.cluster.creations)
    assert set(world.cluster.creations) == {after}
