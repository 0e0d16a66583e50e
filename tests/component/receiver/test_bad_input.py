"""What the receiver does not take, and how it says so."""

import asyncio
import io
import uuid
from collections.abc import AsyncIterator

import pytest

from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import Stage
from nexus_core.settings.values import Duration, Secret
from support.receiver_client import ReceiverClient
from support.services import World
from support.stored_runs import store_run

UNKNOWN = RunKey("hello-world", str(uuid.UUID(int=7)))
MIB = 1024**2


@pytest.mark.parametrize(
    ("body", "clause"),
    [
        (b"", "not JSON"),
        (b"{", "ends too early"),
        (b'{"errorCause": "\\ud83d', "ends too early"),
        (b'{"errorCause": "half a smile \\ud83d"}', "a string ends within a surrogate pair"),
        (b'{"errorCause": "half a smile \\ud83d", "x": 1}', "surrogate pair"),
        (b"resultUri=1", "not JSON"),
        (b'{"resultUri": NaN}', "not JSON"),
        (b'\xff\xfe{"resultUri": ""}', "not UTF-8"),
        (b'{"resultUri": "\xff"}', "not UTF-8"),
        (b"[]", "must be an object"),
        (b"null", "must be an object"),
        (b'{"resultUri": 5}', "resultUri: must be a string"),
        (b'{"errorCause": true}', "errorCause: must be a string"),
        (b'{"errorDetails": {"trace": []}}', "errorDetails: must be a string"),
        (b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
    ],
)
async def test_a_body_that_is_no_completion_is_refused_and_changes_nothing(
    world: World, receiver: ReceiverClient, body: bytes, clause: str
) -> None:
    key = await store_run(world, Stage.RUNNING)

    reply = await receiver.report(key, data=body)

    assert (reply.status, reply.content_type) == (400, "text/plain")
    assert clause in reply.text
    assert await world.stage(key) is Stage.RUNNING


@pytest.mark.parametrize("says_its_length", [True, False])
async def test_a_body_that_is_too_large_is_refused(
    world: World, receiver: ReceiverClient, *, says_its_length: bool
) -> None:
    key = await store_run(world, Stage.RUNNING)
    pieces = [b'{"errorCause": "', b"x" * 4 * MIB, b'"}']

    async def one_by_one() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    reply = await receiver.report(
        key, data=io.BytesIO(b"".join(pieces)) if says_its_length else one_by_one()
    )

    assert (reply.status, reply.content_type) == (400, "text/plain")
    assert "larger than" in reply.text
    assert await world.stage(key) is Stage.RUNNING


async def test_a_body_that_does_not_come_is_not_waited_for(world: World) -> None:
    key = await store_run(world, Stage.RUNNING)
    answered = asyncio.Event()

    async def never_ends() -> AsyncIterator[bytes]:
        yield b"{"
        await answered.wait()

    async with world.receiver(body_timeout=Duration(0.05)) as url:
        reply = await ReceiverClient(world.session, url).report(key, data=never_ends())
        answered.set()

    assert (reply.status, reply.content_type) == (400, "text/plain")
    assert "did not arrive" in reply.text


BAD_IDS = ["x", UNKNOWN.request_id + "0", str(uuid.UUID(int=10)).upper(), "..%2F..%2Fetc"]
BAD_NAMES = ["Hello", "hello_world", "a" * 64, "-a", "a%2Fb", "%20", "%C3%A4"]


@pytest.mark.parametrize(
    "path",
    [f"hello-world/requests/{bad}" for bad in BAD_IDS]
    + [f"{bad}/requests/{UNKNOWN.request_id}" for bad in BAD_NAMES],
)
async def test_ids_and_names_that_are_none_are_refused(receiver: ReceiverClient, path: str) -> None:
    complete = await receiver.post(f"/algorithm/v1/complete/{path}", {})
    check = await receiver.get(f"/algorithm/v1/check/{path}")

    assert (complete.status, complete.content_type) == (400, "text/plain")
    assert (check.status, check.content_type) == (400, "application/json")
    assert check.json() == complete.text


@pytest.mark.parametrize("body", [{}, {"resultUri": "uri"}, {"errorCause": "cause"}])
async def test_an_unknown_run_is_not_found(receiver: ReceiverClient, body: dict[str, str]) -> None:
    complete = await receiver.report(UNKNOWN, json=body)

    assert (complete.status, complete.content_type) == (404, "text/plain")
    assert complete.text == f"there is no run {UNKNOWN}"


async def test_check_tells_of_an_unknown_run_in_a_json_string(receiver: ReceiverClient) -> None:
    check = await receiver.check(UNKNOWN)

    assert (check.status, check.content_type) == (404, "application/json")
    assert check.json() == f"there is no run {UNKNOWN}"


async def test_a_run_of_another_algorithm_is_not_found(
    world: World, receiver: ReceiverClient
) -> None:
    key = await store_run(world, Stage.RUNNING)

    reply = await receiver.report(RunKey("tsp", key.request_id), json={})

    assert reply.status == 404
    assert await world.stage(key) is Stage.RUNNING


@pytest.mark.parametrize("authorization", ["Bearer first", "Bearer second", "bearer first"])
async def test_each_of_the_tokens_that_are_set_opens_the_api(
    world: World, authorization: str
) -> None:
    key = await store_run(world, Stage.RUNNING)
    headers = {"Authorization": authorization}

    async with world.receiver(api_tokens=(Secret("first"), Secret("second"))) as url:
        receiver = ReceiverClient(world.session, url)
        assert (await receiver.check(key, headers=headers)).status == 200
        assert (await receiver.report(key, json={}, headers=headers)).status == 202


@pytest.mark.parametrize(
    "authorization", ["Bearer wrong", "Bearer", "Bearer ", "Basic first", "first", "Bearer ä", ""]
)
async def test_where_tokens_are_set_nothing_else_opens_the_api(
    world: World, authorization: str
) -> None:
    key = await store_run(world, Stage.RUNNING)
    headers = {"Authorization": authorization} if authorization else {}

    async with world.receiver(api_tokens=(Secret("first"),)) as url:
        receiver = ReceiverClient(world.session, url)
        check = await receiver.check(key, headers=headers)
        complete = await receiver.report(key, json={}, headers=headers)

    assert (complete.status, complete.content_type) == (401, "text/plain")
    assert (check.status, check.content_type) == (401, "application/json")
    assert check.json() == complete.text
    assert await world.stage(key) is Stage.RUNNING


@pytest.mark.parametrize("authorization", ["Bearer", "Bearer anything"])
async def test_where_no_tokens_are_set_the_api_is_open(
    world: World, receiver: ReceiverClient, authorization: str
) -> None:
    key = await store_run(world, Stage.RUNNING)

    reply = await receiver.report(key, json={}, headers={"Authorization": authorization})

    assert reply.status == 202
