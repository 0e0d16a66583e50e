"""Payloads and results by signed URL."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import aiohttp
import pytest
from structlog.testing import capture_logs

from nexus_core.domain.data_urls import Door, SignedUrls
from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import Stage, StageChange
from nexus_core.ports.payload_store import Content, Stored
from nexus_core.settings.values import ByteSize, Duration
from support.calls import JSON, PROBLEM, UNKNOWN, Client, of
from support.clock import ManualClock, settle
from support.meddling import meddled
from support.runs import LONG_AGO, a_checkpoint
from support.services import World
from support.waiting import until

HOUR = timedelta(hours=1)
OCTETS = "application/octet-stream"


@pytest.fixture
async def run(world: World) -> RunKey:
    """A run that its Job is at work for."""
    checkpoint = a_checkpoint()
    await world.stores.store.accept(checkpoint, None)
    await world.stores.payloads.put(Content.PAYLOAD, checkpoint.key, b'{"a": 1}')
    return checkpoint.key


async def upload_url(world: World, key: RunKey) -> str:
    return await world.stores.payloads.upload_url(Content.RESULT, key, HOUR)


async def download_url(world: World, key: RunKey, content: Content = Content.PAYLOAD) -> str:
    return await world.stores.payloads.download_url(content, key, HOUR, "a hash=")


async def stored(world: World, key: RunKey) -> bytes | None:
    found = await world.stores.payloads.get(Content.RESULT, key)
    return b"".join([chunk async for chunk in found.chunks]) if found else None


def changed(url: str, **query: str | None) -> str:
    """Return a URL with other parameters; None leaves one out."""
    parts = urlsplit(url)
    parameters = {**dict(parse_qsl(parts.query, keep_blank_values=True)), **query}
    kept = {name: value for name, value in parameters.items() if value is not None}
    return urlunsplit(parts._replace(query=urlencode(kept)))


async def test_a_payload_is_served_as_the_json_that_came(
    world: World, api: Client, run: RunKey
) -> None:
    answer = await api.get(await download_url(world, run))
    assert (answer.status, answer.content_type, answer.body) == (200, JSON, b'{"a": 1}')


async def test_an_uploaded_result_is_served_as_it_was_sent(
    world: World, api: Client, run: RunKey
) -> None:
    content = bytes(range(256)) * 10
    answer = await api.call("PUT", await upload_url(world, run), data=content)
    assert (answer.status, answer.content_type, answer.body) == (200, JSON, b"{}")
    served = await api.get(await download_url(world, run, Content.RESULT))
    assert (served.status, served.content_type, served.body) == (200, OCTETS, content)
    # What somebody uploaded is no page of ours.
    assert served.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_large_result_streams_in_and_out(world: World, api: Client, run: RunKey) -> None:
    sent, received = hashlib.sha256(), hashlib.sha256()

    async def pieces() -> AsyncIterator[bytes]:
        for number in range(80):
            piece = number.to_bytes(4, "little") * (64 * 1024)
            sent.update(piece)
            yield piece

    answer = await api.call("PUT", await upload_url(world, run), data=pieces())
    assert answer.status == 200
    url = await download_url(world, run, Content.RESULT)
    async with world.session.get(url) as response:
        assert response.content_length == 80 * 256 * 1024
        async for piece in response.content.iter_chunked(256 * 1024):
            received.update(piece)
    assert received.digest() == sent.digest()


async def test_an_empty_result_is_a_result(world: World, api: Client, run: RunKey) -> None:
    assert (await api.call("PUT", await upload_url(world, run), data=b"")).status == 200
    served = await api.get(await download_url(world, run, Content.RESULT))
    assert (served.status, served.body) == (200, b"")


async def test_uploading_again_replaces_the_result(world: World, api: Client, run: RunKey) -> None:
    for content in (b"first", b"2"):
        await api.call("PUT", await upload_url(world, run), data=content)
    assert await stored(world, run) == b"2"


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_result_that_is_too_large_leaves_the_earlier_one(
    world: World, run: RunKey, *, chunked: bool
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(6):
            yield bytes(100 * 1024)

    async with world.scheduler(max_payload_size=ByteSize(512 * 1024)) as url:
        api = Client(world.session, url)
        await api.call("PUT", await upload_url(world, run), data=b"small")
        large = pieces() if chunked else bytes(600 * 1024)
        answer = await api.call("PUT", await upload_url(world, run), data=large)
        assert (answer.status, answer.content_type) == (413, PROBLEM)
    assert await stored(world, run) == b"small"


async def test_a_result_that_breaks_off_or_halts_leaves_the_earlier_one(
    world: World, run: RunKey
) -> None:
    async with world.scheduler(body_timeout=Duration(0.1)) as url:
        api = Client(world.session, url)
        target = await upload_url(world, run)
        await api.call("PUT", target, data=b"small")
        head = (
            f"PUT {target.removeprefix(url)} HTTP/1.1\r\nHost: x\r\nContent-Length: 600000\r\n"
            "Connection: close\r\n\r\n"
        ).encode()
        begun = head + bytes(400_000)
        halted = await api.raw(begun, until=b"did not arrive in time")
        assert halted.startswith(b"HTTP/1.1 408 ")
        await api.send_and_leave(begun)
        # Closing waits for the request to end.
    assert await stored(world, run) == b"small"


async def test_nothing_is_uploaded_to_a_run_that_has_finished(
    world: World, api: Client, run: RunKey
) -> None:
    await world.stores.store.advance(run, StageChange(to=Stage.COMPLETED, at=LONG_AGO))
    answer = await api.call("PUT", await upload_url(world, run), data=b"late")
    assert (answer.status, answer.content_type) == (409, PROBLEM)
    assert await stored(world, run) is None


async def test_an_upload_that_the_end_of_its_run_overtakes_changes_nothing(
    world: World, api: Client, run: RunKey
) -> None:
    await api.call("PUT", await upload_url(world, run), data=b"the result")
    finished = asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        yield bytes(400_000)
        await finished.wait()
        yield bytes(400_000)

    upload = asyncio.create_task(api.call("PUT", await upload_url(world, run), data=pieces()))
    # The run was asked for, and went on, before the first piece was kept.
    await until(lambda: any(world.folder.rglob(".incoming/*")))
    await world.stores.store.advance(run, StageChange(to=Stage.COMPLETED, at=LONG_AGO))
    finished.set()
    assert (await upload).status == 409
    assert await stored(world, run) == b"the result"


async def test_what_is_not_there_is_404(world: World, api: Client, run: RunKey) -> None:
    for method, url in (
        ("GET", await download_url(world, UNKNOWN)),
        ("GET", await download_url(world, run, Content.RESULT)),
        ("PUT", await upload_url(world, UNKNOWN)),
    ):
        answer = await api.call(method, url)
        assert (answer.status, answer.content_type) == (404, PROBLEM)


# What opens nothing.


async def test_a_url_that_was_changed_opens_nothing(world: World, api: Client, run: RunKey) -> None:
    url = await download_url(world, run)
    other = await download_url(world, UNKNOWN)
    whole = dict(parse_qsl(urlsplit(url).query))
    wrong = [
        changed(url, sig="A" * 43),
        changed(url, sig=whole["sig"][:-1]),
        changed(url, sig="é"),
        changed(url, to=str(int(whole["to"]) + 1)),
        changed(url, to="9" * 5000),
        changed(url, **{"from": "-1"}),
        changed(url, tid="another"),
        changed(url, chk=""),
        *(changed(url, **{name: None}) for name in whole),
        url.split("?")[0],
        # The signature of another run, and of another door.
        f"{url.split('?')[0]}?{other.split('?')[1]}",
        url.replace("/payloads/", "/results/"),
        url.replace("hello-world", "hello%2Dworld"),
    ]
    for changed_url in wrong:
        answer = await api.get(changed_url)
        assert (answer.status, answer.content_type) == (403, PROBLEM), changed_url
        assert b'"a": 1' not in answer.body


async def test_a_url_made_with_another_secret_opens_nothing(
    world: World, api: Client, run: RunKey
) -> None:
    foreign = SignedUrls(api.url, b"another secret")
    url = foreign.make(Door.PAYLOADS, run, now=world.clock.now(), valid_for=HOUR)
    assert (await api.get(url)).status == 403


async def test_a_url_to_read_does_not_write_and_the_other_way_round(
    world: World, api: Client, run: RunKey
) -> None:
    to_read = await download_url(world, run, Content.RESULT)
    to_write = await upload_url(world, run)
    for method, url, status in (
        ("PUT", to_read, 405),
        ("GET", to_write, 405),
        ("PUT", to_read.replace("/results/", "/uploads/"), 403),
        ("GET", to_write.replace("/uploads/", "/results/"), 403),
    ):
        assert (await api.call(method, url, data=b"x")).status == status
    assert await stored(world, run) is None


async def test_a_url_opens_until_its_time_is_over(still_world: World, clock: ManualClock) -> None:
    async with still_world.scheduler() as url:
        api = Client(still_world.session, url)
        key = await still_world.run(url)
        payload = await still_world.stores.payloads.download_url(Content.PAYLOAD, key, HOUR)
        await clock.advance(3599)
        assert (await api.get(payload)).status == 200
        await clock.advance(1)
        answer = await api.get(payload)
        assert (answer.status, answer.content_type) == (403, PROBLEM)
        assert "expired" in answer.json()["detail"]


# A store that breaks while it is read.


async def test_content_that_can_not_be_read_to_its_end_is_not_taken_for_whole(
    world: World, run: RunKey
) -> None:
    async def half() -> AsyncIterator[bytes]:
        yield b"x" * 500
        raise UnavailableError("the disk is gone")

    async def get(*_: Any) -> Stored:
        return Stored(1000, half())

    payloads = meddled(world.stores.payloads, get=get)
    world.stores = replace(world.stores, payloads=payloads)
    async with world.scheduler() as url:
        api = Client(world.session, url)
        with pytest.raises(aiohttp.ClientError):
            await api.get(await download_url(world, run))
        assert (await api.get("/livez")).status == 200


@pytest.mark.parametrize("when", ["before the head", "in the body"])
async def test_a_client_that_leaves_before_the_end_is_no_fault(
    world: World, run: RunKey, when: str
) -> None:
    has_begun, has_left = asyncio.Event(), asyncio.Event()

    async def get(*_: Any) -> Stored:
        if when == "before the head":
            has_begun.set()
            await has_left.wait()
        return Stored(1 << 40, without_end())

    async def without_end() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 1000
            has_begun.set()
            await asyncio.sleep(0)

    payloads = meddled(world.stores.payloads, get=get)
    world.stores = replace(world.stores, payloads=payloads)
    with capture_logs() as lines:
        async with world.scheduler() as url:
            path = (await download_url(world, run)).removeprefix(url)
            request = f"GET {path} HTTP/1.1\r\nHost: nexus\r\n\r\n".encode()
            await Client(world.session, url).send_and_leave(request, after=has_begun)
            await settle()
            has_left.set()
            await until(lambda: "client left" in [line["event"] for line in lines])
    assert {line["log_level"] for line in lines} <= {"debug", "info"}


async def test_a_store_that_is_away_is_503(world: World, run: RunKey) -> None:
    async def get(*_: Any) -> Stored:
        raise UnavailableError("not now", retry_after=3)

    payloads = meddled(world.stores.payloads, get=get)
    world.stores = replace(world.stores, payloads=payloads)
    async with world.scheduler() as url:
        answer = await Client(world.session, url).get(await download_url(world, run))
        assert (answer.status, answer.content_type) == (503, PROBLEM)
        assert answer.headers["Retry-After"] == "3"


async def test_an_uploaded_result_is_led_to_by_a_url_that_needs_no_credentials(
    world: World, api: Client, run: RunKey
) -> None:
    await api.call("PUT", await upload_url(world, run), data=b"42")
    uri = world.stores.payloads.uri(Content.RESULT, run)
    change = StageChange(to=Stage.COMPLETED, at=LONG_AGO, result_uri=uri)
    await world.stores.store.advance(run, change)
    result = (await api.get(f"/algorithm/v1/results/{of(run)}")).json()
    assert (await api.get(result["resultUri"])).body == b"42"
