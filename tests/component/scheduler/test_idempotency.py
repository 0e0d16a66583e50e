"""Requests that promise to be one request."""

import asyncio
from dataclasses import replace

from nexus_core.domain.checkpoint import Acceptance, IdempotencyKey, RunFilter
from nexus_core.domain.names import RunKey
from nexus_core.domain.template import WorkgroupRef
from support.calls import PROBLEM, Answer, Client
from support.clock import ManualClock
from support.meddling import meddled
from support.runs import a_template_spec
from support.services import World
from support.trouble import Trouble
from support.waiting import until

RUN = "/algorithm/run/hello-world"
BODY = b'{"algorithmParameters": {"name": "world"}}'


async def post(
    api: Client, key: str, body: bytes = BODY, algorithm: str = "hello-world", query: str = ""
) -> Answer:
    return await api.post(
        f"/algorithm/run/{algorithm}{query}", data=body, headers={"Idempotency-Key": key}
    )


async def runs_in(world: World) -> int:
    return len(await world.stores.index.runs(RunFilter(), 100))


async def metrics(api: Client) -> str:
    return (await api.get("/metrics")).text


def payloads_in(world: World) -> int:
    return len(list(world.folder.glob("payloads/algorithm=*/*")))


async def test_the_same_request_again_is_answered_with_the_first_run(
    world: World, api: Client
) -> None:
    first, again = await post(api, "key 1"), await post(api, "key 1")
    assert (again.status, again.body) == (202, first.body)
    assert (await runs_in(world), payloads_in(world)) == (1, 1)
    assert 'accepted_runs_total{algorithm="hello-world"} 1.0' in await metrics(api)


async def test_another_request_under_the_same_key_is_422(world: World, api: Client) -> None:
    await post(api, "key")
    others = [
        await post(api, "key", b'{"algorithmParameters": {"name": "moon"}}'),
        await post(api, "key", query="?dryRun=true"),
    ]
    for other in others:
        assert (other.status, other.content_type) == (422, PROBLEM)
    assert (await runs_in(world), payloads_in(world)) == (1, 1)


async def test_a_request_sent_again_after_its_template_is_gone_leads_to_its_run_all_the_same(
    world: World, api: Client
) -> None:
    first = await post(api, "key")
    moved = a_template_spec(workgroup_ref=WorkgroupRef(name="elsewhere"))
    world.catalogue.put("hello-world", moved)
    assert (await post(api, "key")).json() == first.json()
    world.catalogue.remove("hello-world")
    assert (await post(api, "key")).json() == first.json()

    other = b'{"algorithmParameters": {}}'
    refused = [
        await post(api, "key", other),
        await post(api, "new"),
        await api.post(RUN, data=BODY),
    ]
    assert [answer.status for answer in refused] == [422, 404, 404]
    assert await runs_in(world) == 1


async def test_keys_are_apart_for_each_algorithm(world: World, api: Client) -> None:
    world.catalogue.put("another", a_template_spec())
    first, other = await post(api, "key"), await post(api, "key", algorithm="another")
    assert other.status == 202
    assert first.json() != other.json()
    assert await runs_in(world) == 2


async def test_a_key_is_forgotten_after_a_day(still_world: World, clock: ManualClock) -> None:
    async with still_world.scheduler() as url:
        api = Client(still_world.session, url)
        first = await post(api, "key")
        await clock.advance(24 * 3600 - 1)
        assert (await post(api, "key")).json() == first.json()
        await clock.advance(1)
        assert (await post(api, "key")).json() != first.json()


async def test_a_key_outlives_a_restart(world: World) -> None:
    answers = []
    for _ in range(2):
        async with world.scheduler() as url:
            answers.append((await post(Client(world.session, url), "key")).json())
    assert answers[0] == answers[1]


async def test_identical_requests_that_race_end_in_one_run_and_one_payload(world: World) -> None:
    let_all_look_before_any_writes(world, 8)
    async with world.scheduler() as url:
        api = Client(world.session, url)
        answers = await asyncio.gather(*(post(api, "key") for _ in range(8)))
        assert [answer.status for answer in answers] == [202] * 8
        (request_id,) = {answer.json()["requestId"] for answer in answers}
        assert (await runs_in(world), payloads_in(world)) == (1, 1)
        await until(lambda: world.cluster.creations)
        assert 'accepted_runs_total{algorithm="hello-world"} 1.0' in await metrics(api)
    assert world.cluster.creations == {RunKey("hello-world", request_id): 1}


async def test_different_requests_that_race_for_a_key_end_in_one_run(world: World) -> None:
    let_all_look_before_any_writes(world, 2)
    async with world.scheduler() as url:
        api = Client(world.session, url)
        bodies = (BODY, b'{"algorithmParameters": {}}')
        answers = await asyncio.gather(*(post(api, "key", body) for body in bodies))
        assert sorted(answer.status for answer in answers) == [202, 422]
        assert (await runs_in(world), payloads_in(world)) == (1, 1)


async def test_garbage_that_can_not_be_removed_does_not_fail_the_request(world: World) -> None:
    let_all_look_before_any_writes(world, 2)
    trouble = Trouble()
    trouble.breaks("delete")
    world.stores = trouble.befalls(world.stores)
    async with world.scheduler() as url:
        api = Client(world.session, url)
        answers = await asyncio.gather(*(post(api, "key") for _ in range(2)))
        assert [answer.status for answer in answers] == [202, 202]


def let_all_look_before_any_writes(world: World, parties: int) -> None:
    """Make requests race at the worst point: all have seen that nobody holds the key."""
    everybody, look_up = asyncio.Barrier(parties), world.stores.store.find_submission

    async def look_together(key: IdempotencyKey) -> Acceptance | None:
        found = await look_up(key)
        await everybody.wait()
        return found

    store = meddled(world.stores.store, find_submission=look_together)
    world.stores = replace(world.stores, store=store)
