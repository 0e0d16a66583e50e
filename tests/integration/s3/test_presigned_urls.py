"""URLs of the bucket, as algorithms use them: by plain HTTP, without credentials."""

import uuid
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from nexus_core.adapters.s3.payload_store import S3PayloadStore
from nexus_core.domain.names import RunKey
from nexus_core.ports.payload_store import Content
from support.clock import ManualClock
from support.s3 import open_s3_store, s3_settings
from tools.testbed.description import S3Description

pytestmark = pytest.mark.integration

HOUR = timedelta(hours=1)


def a_key() -> RunKey:
    return RunKey("hello-world", str(uuid.uuid4()))


async def read(store: S3PayloadStore, content: Content, key: RunKey) -> bytes | None:
    stored = await store.get(content, key)
    return None if stored is None else b"".join([chunk async for chunk in stored.chunks])


@pytest.mark.parametrize("size", [2, 1_000_000])
async def test_a_payload_is_had_by_its_url(
    store: S3PayloadStore, plain: aiohttp.ClientSession, size: int
) -> None:
    key, body = a_key(), b"{}" * (size // 2)
    url = await store.download_url(Content.PAYLOAD, key, HOUR)
    await store.put(Content.PAYLOAD, key, body)
    async with plain.get(url) as answer:
        assert (answer.status, answer.content_type) == (200, "application/json")
        assert await answer.read() == body


async def test_a_url_of_what_is_not_there_says_so(
    store: S3PayloadStore, plain: aiohttp.ClientSession
) -> None:
    async with plain.get(await store.download_url(Content.PAYLOAD, a_key(), HOUR)) as answer:
        assert answer.status == 404


@pytest.mark.parametrize("content_type", ["application/octet-stream", "text/csv", None])
async def test_a_result_is_stored_by_its_url(
    store: S3PayloadStore, plain: aiohttp.ClientSession, content_type: str | None
) -> None:
    key, body = a_key(), bytes(range(256)) * 1000
    url = await store.upload_url(Content.RESULT, key, HOUR)
    headers = {"Content-Type": content_type} if content_type else None
    async with plain.put(url, data=body, headers=headers) as answer:
        assert answer.status == 200
    assert await read(store, Content.RESULT, key) == body
    assert await store.size(Content.RESULT, key) == len(body)


async def test_uploading_again_replaces(
    store: S3PayloadStore, plain: aiohttp.ClientSession
) -> None:
    key = a_key()
    url = await store.upload_url(Content.RESULT, key, HOUR)
    for body in (b"first", b"2"):
        async with plain.put(url, data=body) as answer:
            assert answer.status == 200
    assert await read(store, Content.RESULT, key) == b"2"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("hello-world", "other-world"),
        ("X-Amz-Expires=3600", "X-Amz-Expires=7200"),
        ("X-Amz-Signature=", "X-Amz-Signature=0"),
        ("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders="),
        ("X-Amz-Date=2", "X-Amz-Date=1"),
    ],
)
async def test_a_tampered_url_opens_nothing(
    store: S3PayloadStore, plain: aiohttp.ClientSession, old: str, new: str
) -> None:
    key = a_key()
    await store.put(Content.PAYLOAD, key, b"{}")
    url = await store.download_url(Content.PAYLOAD, key, HOUR)
    assert old in url
    async with plain.get(url.replace(old, new)) as answer:
        assert answer.status in {400, 403}
        assert b"{}" not in await answer.read()


async def test_a_url_is_good_for_one_method(
    store: S3PayloadStore, plain: aiohttp.ClientSession
) -> None:
    key = a_key()
    await store.put(Content.RESULT, key, b"kept")
    download = await store.download_url(Content.RESULT, key, HOUR)
    upload = await store.upload_url(Content.RESULT, key, HOUR)
    for method, url in (("PUT", download), ("DELETE", download), ("GET", upload)):
        async with plain.request(method, url) as answer:
            assert answer.status == 403
    assert await read(store, Content.RESULT, key) == b"kept"


async def test_a_url_ends_when_it_was_said_to(
    s3_server: S3Description, prefix: str, plain: aiohttp.ClientSession
) -> None:
    key, now = a_key(), datetime.now(UTC)
    settings = s3_settings(s3_server, prefix)
    async with open_s3_store(settings) as store:
        await store.put(Content.PAYLOAD, key, b"{}")
    for made, status in ((now - timedelta(minutes=50), 200), (now - timedelta(minutes=70), 403)):
        async with open_s3_store(settings, ManualClock(made)) as earlier:
            url = await earlier.download_url(Content.PAYLOAD, key, HOUR)
        async with plain.get(url) as answer:
            assert answer.status == status
