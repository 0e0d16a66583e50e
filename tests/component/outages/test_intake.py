"""A store that hangs holds few requests, and those for seconds."""

import asyncio
from dataclasses import replace
from datetime import datetime

import pytest
from structlog.testing import capture_logs

from nexus_core.domain.checkpoint import RunFilter
from support.affliction import Affliction, How
from support.calls import Answer, Client
from support.clock import ManualClock
from support.services import World
from support.waiting import until, until_so

BODY: dict[str, dict[str, str]] = {"algorithmParameters": {}}
PARTS = [("store", "accept", "checkpoint-store"), ("payloads", "put", "payload-store")]


@pytest.mark.parametrize(("part", "method", "name"), PARTS)
async def test_once_a_store_is_known_to_hang_nobody_waits_for_it(
    world: World, clock: ManualClock, part: str, method: str, name: str
) -> None:
    hanging, asking = Affliction(method, How.HANGS), Affliction("ping", How.REFUSES)
    port = asking.befalls(hanging.befalls(getattr(world.stores, part)))
    world.stores = replace(world.stores, **{part: port})
    async with world.scheduler() as url:
        api = Client(world.session, url)
        await clock.advance(1)
        hanging.begins()
        asking.begins()
        held: list[asyncio.Task[Answer]] = []
        while (answer := await answer_within_a_second(api, clock, held)) is None:
            pass

        # One a second came in; it took the heartbeat and three tries to find out.
        assert len(held) <= 8
        assert answer.status == 503
        assert name in answer.text
        assert int(answer.headers["Retry-After"]) >= 1
        many = [await api.post("/algorithm/v1/run/hello-world", BODY) for _ in range(50)]
        assert {each.status for each in many} == {503}
        assert len({each.headers["Retry-After"] for each in many}) > 1

        hanging.is_over()
        asking.is_over()
        assert {(await each).status for each in held} == {503}
        await until_so(lambda: is_accepted_soon(api, clock))
    assert len(await world.stores.index.runs(RunFilter(), 100)) == 1


async def is_accepted_soon(api: Client, clock: ManualClock) -> bool:
    """Let time pass and submit: databases take time of their own to say that they are back."""
    await clock.advance(2)
    return (await api.post("/algorithm/v1/run/hello-world", BODY)).status == 202


async def answer_within_a_second(
    api: Client, clock: ManualClock, held: list[asyncio.Task[Answer]]
) -> Answer | None:
    """Submit, and let a second pass; one that is not answered by then is held."""
    submitting = asyncio.create_task(api.post("/algorithm/v1/run/hello-world", BODY))
    await asyncio.wait({submitting}, timeout=0.05)
    await clock.advance(1)
    if submitting.done():
        return await submitting
    held.append(submitting)
    return None


async def test_while_a_store_is_away_no_body_is_read(world: World) -> None:
    asking = Affliction("ping", How.REFUSES)
    world.stores = replace(world.stores, payloads=asking.befalls(world.stores.payloads))
    asking.begins()
    async with world.scheduler() as url:
        api = Client(world.session, url)
        await until(asking.befell.is_set)
        head = (
            b"POST /algorithm/v1/run/hello-world HTTP/1.1\r\nHost: nexus\r\n"
            b"Content-Type: application/json\r\nContent-Length: 500000000\r\n\r\n"
        )
        # What is to come of the body never comes, and all the same it is answered.
        answer = await api.raw(head + b"{", until=b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"Retry-After" in answer


async def test_a_scheduler_that_starts_while_its_store_is_away_says_so_at_once(
    world: World, clock: ManualClock
) -> None:
    asking = Affliction("ping", How.REFUSES)
    world.stores = replace(world.stores, store=asking.befalls(world.stores.store))
    asking.begins()
    async with world.scheduler() as url:
        api = Client(world.session, url)
        await until(asking.befell.is_set)
        with capture_logs() as logs:
            for _ in range(20):
                answer = await api.post("/algorithm/v1/run/hello-world", BODY)
                assert (answer.status, "on a bad day" in answer.text) == (503, True)
        # It was said when it was found out.
        assert logs == []
        # Nothing was accepted, and nothing is lost: it is asked for when it is back.
        asking.is_over()
        await until_so(lambda: is_accepted_soon(api, clock))


async def test_a_store_that_only_refuses_some_is_not_taken_for_away(
    world: World, clock: ManualClock
) -> None:
    refusing = Affliction("put", How.REFUSES)
    world.stores = replace(world.stores, payloads=refusing.befalls(world.stores.payloads))
    async with world.scheduler() as url:
        api = Client(world.session, url)
        await clock.advance(1)
        for _ in range(20):
            refusing.begins()
            assert (await api.post("/algorithm/v1/run/hello-world", BODY)).status == 503
            refusing.is_over()
            assert (await api.post("/algorithm/v1/run/hello-world", BODY)).status == 202


@pytest.mark.parametrize(("part", "name"), [(part, name) for part, _, name in PARTS])
async def test_who_says_that_it_is_ready_takes_runs(
    world: World, clock: ManualClock, part: str, name: str
) -> None:
    asking = Affliction("ping", How.REFUSES)
    world.stores = replace(world.stores, **{part: asking.befalls(getattr(world.stores, part))})
    asking.begins()
    async with world.scheduler() as url:
        api = Client(world.session, url)
        await until(asking.befell.is_set)
        for _ in range(2):
            answer = await api.get("/readyz")
            state = answer.json()["parts"][name]
            assert (answer.status, state["ready"], state["reason"]) == (503, False, "on a bad day")
            assert datetime.fromisoformat(state["next_try"]) > clock.now()
            assert (await api.post("/algorithm/v1/run/hello-world", BODY)).status == 503
            # It would answer again, but was not asked yet.
            asking.is_over()

        async def is_ready() -> bool:
            await clock.advance(1)
            return (await api.get("/readyz")).status == 200

        await until_so(is_ready)
        assert (await api.post("/algorithm/v1/run/hello-world", BODY)).status == 202
