"""Large requests at the same time: what a scheduler holds of them is bounded."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from nexus_core.settings.values import ByteSize
from support.calls import Answer, Client
from support.receiver_client import metric
from support.services import World
from support.waiting import until_so

KIB = 1024
MEMORY = 512 * KIB


@pytest.fixture
async def api(world: World) -> AsyncIterator[Client]:
    """A scheduler with little memory for bodies; when it is left, it holds none of them."""
    settings = {"max_payload_size": ByteSize(2 * MEMORY), "payload_memory": ByteSize(MEMORY)}
    async with world.scheduler(**settings) as url:
        api = Client(world.session, url)
        yield api
        await holds(api, 0)


def a_request(size: int) -> bytes:
    return b'{"algorithmParameters": {"a": "%b"}}' % (b"x" * size)


async def holds(api: Client, size: int) -> None:
    async def so() -> bool:
        return await metric(api, "nexus_scheduler_held_body_bytes") == size

    await until_so(so)


class Sender:
    """A client that has sent a part of its request, and waits."""

    def __init__(self, api: Client, body: bytes, part: int) -> None:
        self._parts, self._rest = (body[:part], body[part:]), asyncio.Event()
        self.answer = asyncio.create_task(self._send(api))

    async def finish(self) -> Answer:
        self._rest.set()
        return await self.answer

    async def _send(self, api: Client) -> Answer:
        return await api.post("/algorithm/run/hello-world", data=self._body())

    async def _body(self) -> AsyncIterator[bytes]:
        yield self._parts[0]
        await self._rest.wait()
        yield self._parts[1]


@asynccontextmanager
async def sending(api: Client, body: bytes, part: int) -> AsyncIterator[Sender]:
    sender = Sender(api, body, part)
    try:
        await holds(api, part)
        yield sender
    finally:
        sender.answer.cancel()
        with suppress(asyncio.CancelledError):
            await sender.answer


@pytest.mark.parametrize("version", ["/v1", ""])
async def test_one_that_finds_no_room_comes_again_when_another_is_accepted(
    api: Client, version: str
) -> None:
    path, body = f"/algorithm{version}/run/hello-world", a_request(300 * KIB)
    async with sending(api, body, 300 * KIB) as sender:
        refused = await api.post(path, data=body)
        assert refused.status == 429
        assert "the requests of others fill the memory for them" in refused.text
        assert int(refused.headers["Retry-After"]) > 0
        # There is room for small ones all the same.
        assert (await api.post(path, data=a_request(KIB))).status == 202

        assert (await sender.finish()).status == 202
    assert (await api.post(path, data=body)).status == 202


async def test_one_that_tells_its_length_is_refused_before_it_comes(api: Client) -> None:
    async with sending(api, a_request(300 * KIB), 300 * KIB):
        # Not a byte of it is sent: whoever waited for one would never answer.
        answer = await api.raw(
            b"POST /algorithm/run/hello-world HTTP/1.1\r\nHost: x\r\n"
            b"Content-Length: %d\r\nConnection: close\r\n\r\n" % (300 * KIB),
            until=b"fill the memory",
        )
        assert answer.split(b" ")[1] == b"429"


async def test_one_that_unpacks_to_more_than_there_is_room_for_is_refused(api: Client) -> None:
    packed = gzip.compress(a_request(300 * KIB))
    headers = {"Content-Encoding": "gzip"}
    async with sending(api, a_request(300 * KIB), 300 * KIB) as sender:
        refused = await api.post("/algorithm/run/hello-world", data=packed, headers=headers)
        assert refused.status == 429
        # What came of it is held no more.
        await holds(api, 300 * KIB)
        assert (await sender.finish()).status == 202
    accepted = await api.post("/algorithm/run/hello-world", data=packed, headers=headers)
    assert accepted.status == 202


async def test_one_that_is_alone_may_be_as_large_as_any(api: Client) -> None:
    answer = await api.post("/algorithm/run/hello-world", data=a_request(2 * MEMORY - KIB))
    assert answer.status == 202


async def test_one_that_only_promises_takes_no_room(api: Client) -> None:
    body = a_request(300 * KIB)
    async with sending(api, body, KIB):
        answer = await api.post("/algorithm/run/hello-world", data=body)
        assert answer.status == 202


async def test_of_one_that_leaves_in_the_middle_nothing_is_held(api: Client) -> None:
    async with sending(api, a_request(300 * KIB), 200 * KIB) as sender:
        sender.answer.cancel()
        await holds(api, 0)
