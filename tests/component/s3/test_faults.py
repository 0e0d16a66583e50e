"""What a real server does once in a million requests, done by one that follows a script."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from nexus_core.adapters.s3.location import Location
from nexus_core.adapters.s3.payload_store import S3PayloadStore
from nexus_core.adapters.s3.settings import SMALLEST_PART, S3Settings
from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.names import RunKey
from nexus_core.ports.payload_store import Content
from nexus_core.settings.values import Secret
from support.clock import ManualClock
from support.s3 import open_s3_store
from support.scripted_s3 import (
    Act,
    ScriptedS3,
    answer,
    cut_off,
    hang_up,
    open_scripted_s3,
    refusal,
)

KEY = RunKey("hello-world", str(uuid.UUID(int=7)))
PATH = f"/a-bucket/algorithm%3Dhello-world/{KEY.request_id}"
TWO_PARTS = bytes(SMALLEST_PART + 1)
BEGUN = answer(
    b"<?xml version='1.0'?><InitiateMultipartUploadResult"
    b" xmlns='http://s3.amazonaws.com/doc/2006-03-01/'>"
    b"<UploadId>u+1</UploadId></InitiateMultipartUploadResult>"
)


@pytest.fixture
async def server() -> AsyncIterator[ScriptedS3]:
    async with open_scripted_s3() as server:
        yield server


@pytest.fixture
async def store(server: ScriptedS3, clock: ManualClock) -> AsyncIterator[S3PayloadStore]:
    settings = S3Settings(
        location=Location("a-bucket"),
        endpoint=server.endpoint,
        region="here",
        access_key_id="AKID",
        secret_access_key=Secret("secret"),
        part_size=SMALLEST_PART,
        timeout=timedelta(seconds=20),
    )
    async with open_s3_store(settings, clock) as store:
        yield store


@pytest.mark.parametrize(
    "fault",
    [
        refusal(503, "SlowDown"),
        refusal(500, "InternalError"),
        refusal(400, "RequestTimeout"),
        answer(b"<html>Bad gateway", 502),
        hang_up,
    ],
)
async def test_a_passing_fault_is_not_noticed(
    server: ScriptedS3, store: S3PayloadStore, clock: ManualClock, fault: Act
) -> None:
    server.script = [fault, answer()]
    put = asyncio.create_task(store.put(Content.PAYLOAD, KEY, b"{}"))
    while not put.done():
        await clock.advance(0.1)
        await asyncio.sleep(0.001)
    await put
    assert set(server.asked) == {("PUT", PATH)}
    assert set(server.bodies) == {b"{}"}


async def test_a_fault_that_stays_is_told_in_the_servers_words(
    server: ScriptedS3, store: S3PayloadStore, clock: ManualClock
) -> None:
    server.script = [refusal(503, "SlowDown")] * 3
    put = asyncio.create_task(store.put(Content.PAYLOAD, KEY, b"{}"))
    while not put.done():
        await clock.advance(1)
        await asyncio.sleep(0.001)
    with pytest.raises(UnavailableError, match=r"'a-bucket' at .*: SlowDown: said so \(503\)"):
        await put
    assert len(server.asked) == 3


async def test_a_server_may_say_for_how_long_to_stay_away(
    server: ScriptedS3, store: S3PayloadStore, clock: ManualClock
) -> None:
    server.script = [refusal(503, "SlowDown", **{"Retry-After": "5"}), answer()]
    put = asyncio.create_task(store.put(Content.PAYLOAD, KEY, b"{}"))
    while clock.sleepers == 0:  # noqa: ASYNC110 - the answer is on its way
        await asyncio.sleep(0.001)
    await clock.advance(4.9)
    assert len(server.asked) == 1
    await clock.advance(0.2)
    await put
    assert len(server.asked) == 2


async def test_a_read_that_is_cut_off_is_told_from_a_short_object(
    server: ScriptedS3, store: S3PayloadStore
) -> None:
    server.script = [cut_off(1_000_000, bytes(300_000))]
    stored = await store.get(Content.RESULT, KEY)
    assert stored is not None
    assert stored.size == 1_000_000
    with pytest.raises(UnavailableError):
        async for _ in stored.chunks:
            pass


async def test_a_small_read_that_is_cut_off_is_read_again(
    server: ScriptedS3, store: S3PayloadStore, clock: ManualClock
) -> None:
    server.script = [cut_off(100, b"half"), answer(b"whole")]
    get = asyncio.create_task(store.get(Content.RESULT, KEY))
    while not get.done():
        await clock.advance(0.1)
        await asyncio.sleep(0.001)
    stored = await get
    assert stored is not None
    assert [chunk async for chunk in stored.chunks] == [b"whole"]


async def test_parts_are_put_together_in_their_order(
    server: ScriptedS3, store: S3PayloadStore
) -> None:
    server.script = [BEGUN, answer(ETag='"1"'), answer(ETag='"2"'), answer(b"<Done/>")]
    await store.put(Content.RESULT, KEY, TWO_PARTS)
    path = f"{PATH}.result"
    assert server.asked[0] == ("POST", f"{path}?uploads=")
    assert sorted(server.asked[1:3]) == [
        ("PUT", f"{path}?partNumber=1&uploadId=u%2B1"),
        ("PUT", f"{path}?partNumber=2&uploadId=u%2B1"),
    ]
    assert server.asked[3] == ("POST", f"{path}?uploadId=u%2B1")
    assert server.bodies[3].count(b"<Part><PartNumber>") == 2


async def test_an_upload_that_fails_after_its_status_was_sent_has_failed(
    server: ScriptedS3, store: S3PayloadStore
) -> None:
    """S3 says 200 and keeps the line alive, and may then find that it can't."""
    late = b" \n <?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>"
    server.script = [BEGUN, answer(ETag="1"), answer(ETag="2"), answer(late), answer(status=204)]
    with pytest.raises(UnavailableError, match="access denied"):
        await store.put(Content.RESULT, KEY, TWO_PARTS)
    await store._uploads.close()
    assert server.asked[-1] == ("DELETE", f"{PATH}.result?uploadId=u%2B1")


async def test_a_refused_part_ends_the_upload_and_clears_it(
    server: ScriptedS3, store: S3PayloadStore
) -> None:
    denied = refusal(403, "AccessDenied")
    server.script = [BEGUN, denied, denied, answer(status=204)]
    with pytest.raises(UnavailableError, match="access denied"):
        await store.put(Content.RESULT, KEY, TWO_PARTS)
    await store._uploads.close()
    assert server.asked[-1] == ("DELETE", f"{PATH}.result?uploadId=u%2B1")


async def test_an_upload_that_never_began_is_not_aborted(
    server: ScriptedS3, store: S3PayloadStore
) -> None:
    server.script = [refusal(403, "AccessDenied")]
    with pytest.raises(UnavailableError, match="access denied"):
        await store.put(Content.RESULT, KEY, TWO_PARTS)
    await store._uploads.close()
    assert len(server.asked) == 1


async def test_what_can_not_be_cleared_is_told_to_the_log(
    server: ScriptedS3, store: S3PayloadStore, capsys: pytest.CaptureFixture[str]
) -> None:
    denied = refusal(403, "AccessDenied")
    server.script = [BEGUN, denied, denied, denied]
    with pytest.raises(UnavailableError):
        await store.put(Content.RESULT, KEY, TWO_PARTS)
    await store._uploads.close()
    assert "upload left behind" in capsys.readouterr().out


async def test_what_a_proxy_does_not_find_may_be_there(
    server: ScriptedS3, store: S3PayloadStore
) -> None:
    """While it knows no server to ask; its answer to HEAD has no body, as that of S3 has none."""
    nowhere = answer(b"default backend - 404", 404)
    for asking in (store.get(Content.RESULT, KEY), store.size(Content.RESULT, KEY)):
        server.script = [nowhere, nowhere]
        with pytest.raises(UnavailableError, match=r"Not Found \(404\)"):
            await asking


async def test_redirects_are_not_followed(server: ScriptedS3, store: S3PayloadStore) -> None:
    server.script = [
        refusal(
            307,
            "TemporaryRedirect",
            Location="http://127.0.0.1:9/",
            **{"x-amz-bucket-region": "there"},
        )
    ]
    with pytest.raises(UnavailableError, match="is not in region 'here'; it is in 'there'"):
        await store.put(Content.PAYLOAD, KEY, b"{}")


async def test_a_proxy_of_the_environment_is_used(
    server: ScriptedS3, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.endpoint)
    monkeypatch.setenv("no_proxy", "elsewhere.test")
    settings = S3Settings(
        location=Location("a-bucket"),
        endpoint="http://s3.test",
        access_key_id="AKID",
        secret_access_key=Secret("secret"),
    )
    server.script = [answer()]
    async with open_s3_store(settings, clock) as store:
        await store.put(Content.PAYLOAD, KEY, b"{}")
    assert server.asked == [("PUT", f"http://s3.test{PATH}")]


async def test_a_closed_store_says_so(server: ScriptedS3, clock: ManualClock) -> None:
    settings = S3Settings(
        location=Location("a-bucket"),
        endpoint=server.endpoint,
        access_key_id="AKID",
        secret_access_key=Secret("secret"),
    )
    async with open_s3_store(settings, clock) as store:
        pass
    with pytest.raises(UnavailableError, match="closed"):
        await store.put(Content.PAYLOAD, KEY, b"{}")
