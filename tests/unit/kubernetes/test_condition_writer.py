"""Writing conditions, and what an API server may answer to it."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from nexus_core.adapters.kubernetes.condition_writer import ConditionWriter
from nexus_core.adapters.kubernetes.custom_resources import CustomResource
from nexus_core.adapters.kubernetes.held_resources import ResourceKey, Verdict
from nexus_core.adapters.kubernetes.objects import ObjectMeta
from nexus_core.domain.template import TEMPLATE_KIND, WORKGROUP_KIND
from support.clock import ManualClock
from support.kubernetes import connected
from support.scripted_api_server import (
    Handler,
    ScriptedApiServer,
    a_page,
    a_status,
    hang_up,
    json_answer,
    scripted_api_server,
)

KEY = (TEMPLATE_KIND, "tsp")
DONE = json_answer(200, {})
SAID_BY_ANOTHER = {
    "type": "Accepted",
    "status": "False",
    "reason": "UnknownCluster",
    "message": "",
    "observedGeneration": 1,
}
SAME = {"status": "True", "reason": "Accepted", "message": "Well."}
FORBIDDEN = json_answer(403, a_status(403, "Forbidden", "may not patch status"))


class World:
    """A writer in the background, one resource, and what there is to say of it."""

    writer: ConditionWriter

    def __init__(self, clock: ManualClock, server: ScriptedApiServer) -> None:
        self.clock = clock
        self.resources: dict[ResourceKey, CustomResource] = {KEY: a_resource()}
        self.verdict = Verdict(True, "Accepted", "Well.")
        self.writes: list[str] = []
        """The paths of the writes of that resource."""
        self._script: deque[Handler] = deque()
        self._markers = 0
        self._marked = asyncio.Event()
        server.answers(self._answer)

    def answers(self, *script: Handler) -> None:
        """Answer its writes so, one after the other; the last answer stays."""
        self._script = deque(script)

    def look(self, key: ResourceKey) -> tuple[CustomResource, Verdict] | None:
        if key[0] == WORKGROUP_KIND:
            return a_resource(), self.verdict
        resource = self.resources.get(key)
        return (resource, self.verdict) if resource else None

    async def consider(self) -> int:
        """Have the writer see to the resource; return how often it was written in all."""
        # In each round, a marker is written last: then the resource was seen to.
        self._markers += 1
        self._marked.clear()
        self.writer.consider([KEY, (WORKGROUP_KIND, f"marker-{self._markers}")])
        async with asyncio.timeout(10):
            while not self._marked.is_set():
                await self.clock.advance(1)
                await asyncio.sleep(0.001)
        return len(self.writes)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if "marker" in request.path:
            self._marked.set()
            return web.json_response({})
        self.writes.append(f"{request.method} {request.path}")
        handler = self._script.popleft() if len(self._script) > 1 else self._script[0]
        return await handler(request)


def a_resource(generation: int = 1, uid: str = "1", *conditions: Any) -> CustomResource:
    metadata = ObjectMeta(name="tsp", uid=uid, resource_version="7", generation=generation)
    return CustomResource(metadata, {}, {"conditions": list(conditions)})


@pytest.fixture
async def world(clock: ManualClock) -> AsyncIterator[World]:
    async with scripted_api_server() as server, connected(server.url, clock) as connection:
        world = World(clock, server)
        world.writer = ConditionWriter(connection, "nexus", clock, world.look)
        running = asyncio.create_task(world.writer.run())
        yield world
        running.cancel()
        await asyncio.wait([running])


async def test_writes_to_the_status_alone(world: World) -> None:
    world.answers(DONE)

    await world.consider()

    path = "/apis/science.sneaksanddata.com/v1/namespaces/nexus/nexusalgorithmtemplates/tsp/status"
    assert world.writes == [f"PATCH {path}"]


async def test_says_the_same_but_once(world: World) -> None:
    world.answers(DONE)

    assert await world.consider() == 1
    assert await world.consider() == 1
    world.resources[KEY] = a_resource(generation=2)
    assert await world.consider() == 2
    world.verdict = Verdict(False, "Unsound", "Not well.")
    assert await world.consider() == 3
    world.resources[KEY] = a_resource(generation=2, uid="2")
    assert await world.consider() == 4


async def test_does_not_say_what_another_has_said(world: World) -> None:
    world.answers(DONE)
    world.resources[KEY] = a_resource(1, "1", {**SAID_BY_ANOTHER, **SAME})

    assert await world.consider() == 0


async def test_does_not_fight_for_the_last_word(world: World) -> None:
    world.answers(DONE)
    assert await world.consider() == 1

    world.resources[KEY] = a_resource(1, "1", SAID_BY_ANOTHER)

    assert await world.consider() == 1


async def test_leaves_what_is_gone(world: World) -> None:
    world.answers(DONE)
    world.resources.clear()

    assert await world.consider() == 0


async def test_a_newer_version_is_seen_to_when_it_is_heard_of(world: World) -> None:
    world.answers(json_answer(409, a_status(409, "Conflict")), DONE)

    assert await world.consider() == 1
    assert await world.consider() == 2
    assert await world.consider() == 2


@pytest.mark.parametrize(
    "answer", [a_page(502), hang_up, json_answer(429, a_status(429, "TooManyRequests"))]
)
async def test_tries_again_while_the_server_can_not(world: World, answer: Handler) -> None:
    world.answers(answer, answer, DONE)

    assert await world.consider() == 3
    assert await world.consider() == 3


async def test_a_missing_right_is_told_once_and_tried_again_when_asked(world: World) -> None:
    world.answers(FORBIDDEN, FORBIDDEN, DONE)
    with capture_logs() as logs:
        assert await world.consider() == 1
        assert await world.consider() == 1
        world.resources[KEY] = a_resource(generation=2)
        assert await world.consider() == 2
        world.writer.try_refused_again()
        assert await world.consider() == 3

    assert [line["event"] for line in logs] == ["condition not written"]
    assert logs[0]["error"] == "may not patch status"
    assert logs[0]["name"] == "tsp"


async def test_a_resource_that_was_deleted_meanwhile_is_no_missing_right(world: World) -> None:
    gone = a_status(404, "NotFound", name="tsp", kind="nexusalgorithmtemplates")
    world.answers(json_answer(404, gone))
    with capture_logs() as logs:
        assert await world.consider() == 1

    assert logs == []


async def test_a_definition_without_a_status_is_told(world: World) -> None:
    world.answers(json_answer(404, a_status(404, "NotFound", "no such resource")))
    with capture_logs() as logs:
        assert await world.consider() == 1
        assert await world.consider() == 1

    assert [line["error"] for line in logs] == ["no such resource"]
