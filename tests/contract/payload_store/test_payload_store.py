import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta

import pytest

from nexus_core.domain.errors import InvalidInputError
from nexus_core.domain.names import RunKey
from nexus_core.ports.payload_store import Content, PayloadStore

OpenStore = Callable[[], AbstractAsyncContextManager[PayloadStore]]
BOTH = pytest.mark.parametrize("content", list(Content))
SIZES = pytest.mark.parametrize(
    "size", [0, 1, 1024, 256 * 1024, 256 * 1024 + 1, 3_000_000, 11_000_000]
)


def a_key(algorithm: str = "hello-world") -> RunKey:
    return RunKey(algorithm, str(uuid.uuid4()))


def a_body(size: int) -> bytes:
    return (bytes(range(251)) * (size // 251 + 1))[:size]


async def read(store: PayloadStore, content: Content, key: RunKey) -> bytes | None:
    stored = await store.get(content, key)
    if stored is None:
        return None
    body = b"".join([chunk async for chunk in stored.chunks])
    assert stored.size == len(body)
    return body


async def in_chunks(body: bytes, size: int = 10_000) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


@BOTH
@SIZES
async def test_gives_back_the_bytes_it_was_given(
    store: PayloadStore, content: Content, size: int
) -> None:
    key, body = a_key(), a_body(size)
    await store.put(content, key, body)
    assert await read(store, content, key) == body
    assert await store.size(content, key) == size


@BOTH
@SIZES
async def test_takes_a_stream(store: PayloadStore, content: Content, size: int) -> None:
    key, body = a_key(), a_body(size)
    await store.put(content, key, in_chunks(body))
    assert await read(store, content, key) == body


async def test_knows_nothing_of_what_was_never_stored(store: PayloadStore) -> None:
    key = a_key()
    assert await store.get(Content.PAYLOAD, key) is None
    assert await store.size(Content.PAYLOAD, key) is None


async def test_payload_and_result_of_a_run_are_apart(store: PayloadStore) -> None:
    key = a_key()
    await store.put(Content.PAYLOAD, key, b"question")
    assert await read(store, Content.RESULT, key) is None
    await store.put(Content.RESULT, key, b"answer")
    await store.delete(Content.PAYLOAD, key)
    assert await read(store, Content.PAYLOAD, key) is None
    assert await read(store, Content.RESULT, key) == b"answer"


async def test_runs_of_two_algorithms_with_one_id_are_apart(store: PayloadStore) -> None:
    one = a_key("one")
    other = RunKey("other", one.request_id)
    await store.put(Content.PAYLOAD, one, b"one")
    assert await read(store, Content.PAYLOAD, other) is None


@BOTH
async def test_storing_again_replaces(store: PayloadStore, content: Content) -> None:
    key = a_key()
    for body in (b"long before", b"short", a_body(300_000), b""):
        await store.put(content, key, body)
        assert await read(store, content, key) == body


async def test_who_reads_while_it_is_replaced_sees_the_whole_of_the_old(
    store: PayloadStore,
) -> None:
    key, old = a_key(), a_body(2_000_000)
    await store.put(Content.RESULT, key, old)
    stored = await store.get(Content.RESULT, key)
    assert stored is not None
    first = await anext(stored.chunks)
    await store.put(Content.RESULT, key, b"new")
    rest = [chunk async for chunk in stored.chunks]
    assert b"".join([first, *rest]) == old
    assert await read(store, Content.RESULT, key) == b"new"


async def test_deleting_is_idempotent(store: PayloadStore) -> None:
    key = a_key()
    await store.delete(Content.PAYLOAD, key)
    await store.put(Content.PAYLOAD, key, b"x")
    await store.delete(Content.PAYLOAD, key)
    await store.delete(Content.PAYLOAD, key)
    assert await store.get(Content.PAYLOAD, key) is None


@pytest.mark.parametrize("size", [0, 100, 1_000_000])
async def test_a_stream_that_breaks_off_changes_nothing(store: PayloadStore, size: int) -> None:
    class BrokenOffError(Exception):
        pass

    async def broken() -> AsyncIterator[bytes]:
        async for chunk in in_chunks(a_body(size)):
            yield chunk
        raise BrokenOffError

    key = a_key()
    await store.put(Content.RESULT, key, b"before")
    with pytest.raises(BrokenOffError):
        await store.put(Content.RESULT, key, broken())
    assert await read(store, Content.RESULT, key) == b"before"


async def test_a_cancelled_stream_changes_nothing(store: PayloadStore) -> None:
    begun = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield a_body(1_000_000)
        begun.set()
        await asyncio.Event().wait()

    key = a_key()
    upload = asyncio.create_task(store.put(Content.RESULT, key, endless()))
    await begun.wait()
    upload.cancel()
    with pytest.raises(asyncio.CancelledError):
        await upload
    assert await store.get(Content.RESULT, key) is None


async def test_serves_many_at_once(store: PayloadStore) -> None:
    keys = [a_key(f"algorithm-{number % 3}") for number in range(200)]
    await asyncio.gather(*(store.put(Content.PAYLOAD, key, str(key).encode()) for key in keys))
    bodies = await asyncio.gather(*(read(store, Content.PAYLOAD, key) for key in keys))
    assert bodies == [str(key).encode() for key in keys]


async def test_goes_on_serving_those_who_come_one_after_the_other(store: PayloadStore) -> None:
    async def caller() -> None:
        for _ in range(20):
            await store.put(Content.PAYLOAD, a_key(), b"{}")

    async with asyncio.timeout(30):
        await asyncio.gather(*(caller() for _ in range(16)))


async def test_what_was_stored_is_there_after_it_was_opened_again(open_store: OpenStore) -> None:
    key = a_key()
    async with open_store() as first:
        await first.put(Content.PAYLOAD, key, b"kept")
        async with open_store() as second:
            assert await read(second, Content.PAYLOAD, key) == b"kept"
    async with open_store() as third:
        assert await read(third, Content.PAYLOAD, key) == b"kept"


async def test_content_that_nobody_reads_costs_nothing(store: PayloadStore) -> None:
    """Warnings are errors: a file left open would fail this test."""
    key = a_key()
    await store.put(Content.RESULT, key, a_body(1_000_000))
    unread = await store.get(Content.RESULT, key)
    assert unread is not None
    half_read = await store.get(Content.RESULT, key)
    assert half_read is not None
    await anext(half_read.chunks)


@pytest.mark.parametrize(
    "key",
    [
        RunKey("../../etc", str(uuid.uuid4())),
        RunKey("hello-world", "../../../etc/passwd"),
        RunKey("hello-world", ""),
        RunKey("", str(uuid.uuid4())),
        RunKey("a/b", str(uuid.uuid4())),
    ],
)
async def test_keys_that_are_none_lead_nowhere(store: PayloadStore, key: RunKey) -> None:
    with pytest.raises(InvalidInputError):
        await store.put(Content.PAYLOAD, key, b"x")
    with pytest.raises(InvalidInputError):
        await store.get(Content.PAYLOAD, key)
    with pytest.raises(InvalidInputError):
        await store.delete(Content.PAYLOAD, key)


async def test_the_uri_is_stable_and_names_one_content(store: PayloadStore) -> None:
    key = a_key()
    uris = {store.uri(content, of) for content in Content for of in (key, a_key())}
    assert len(uris) == 4
    assert store.uri(Content.RESULT, key) == store.uri(Content.RESULT, key)


async def test_urls_can_be_had_before_there_is_content_and_differ(store: PayloadStore) -> None:
    key, hour = a_key(), timedelta(hours=1)
    urls = {
        await store.download_url(Content.PAYLOAD, key, hour, "ZGVhZGJlZWY="),
        await store.download_url(Content.RESULT, key, hour),
        await store.upload_url(Content.RESULT, key, hour),
    }
    assert len(urls) == 3
    assert all(url.startswith(("http://", "https://")) for url in urls)
    assert all(key.request_id in url for url in urls)


async def test_answers_a_ping(store: PayloadStore) -> None:
    await store.ping()
