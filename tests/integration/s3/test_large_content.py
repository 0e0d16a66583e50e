"""Bodies of many parts: what they take of memory, and what is left of those that break off."""

import asyncio
import hashlib
import tracemalloc
import uuid
from collections.abc import AsyncIterator

import pytest

from nexus_core.adapters.s3.payload_store import S3PayloadStore
from nexus_core.adapters.s3.settings import SMALLEST_PART
from nexus_core.domain.names import RunKey
from nexus_core.ports.payload_store import Content
from support.s3 import open_s3_store, open_uploads, s3_settings
from tools.testbed.description import S3Description

pytestmark = pytest.mark.integration

MIB = 1024**2
PART = SMALLEST_PART
"""The smallest that there can be, and the size that these stores use."""


class BrokenOffError(Exception):
    pass


def a_key() -> RunKey:
    return RunKey("hello-world", str(uuid.uuid4()))


async def pieces(count: int, digest: "hashlib._Hash | None" = None) -> AsyncIterator[bytes]:
    """Yield pieces of a MiB, each of them different."""
    for number in range(count):
        piece = number.to_bytes(8, "little") * (MIB // 8)
        if digest:
            digest.update(piece)
        yield piece


async def read(store: S3PayloadStore, key: RunKey) -> bytes:
    stored = await store.get(Content.RESULT, key)
    assert stored is not None
    return b"".join([chunk async for chunk in stored.chunks])


async def test_a_long_stream_goes_in_and_out_in_little_memory(store: S3PayloadStore) -> None:
    key, sent, received = a_key(), hashlib.sha256(), hashlib.sha256()
    tracemalloc.start()
    try:
        await store.put(Content.RESULT, key, pieces(64, sent))
        _, writing = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        stored = await store.get(Content.RESULT, key)
        assert stored is not None
        async for chunk in stored.chunks:
            received.update(chunk)
        _, reading = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert stored.size == 64 * MIB
    assert received.digest() == sent.digest()
    assert writing < 6 * PART
    assert reading < 4 * MIB


@pytest.mark.parametrize("size", [PART - 1, PART, PART + 1, 2 * PART, 2 * PART + 1])
@pytest.mark.parametrize("streamed", [False, True])
async def test_every_size_around_a_part_comes_back_whole(
    store: S3PayloadStore, size: int, *, streamed: bool
) -> None:
    key, body = a_key(), (bytes(range(251)) * (size // 251 + 1))[:size]

    async def stream() -> AsyncIterator[bytes]:
        for start in range(0, size, 700_001):
            yield body[start : start + 700_001]

    await store.put(Content.RESULT, key, stream() if streamed else body)
    assert await store.size(Content.RESULT, key) == size
    assert await read(store, key) == body


async def test_a_stream_that_breaks_off_leaves_the_old_and_no_upload(
    s3_server: S3Description, prefix: str
) -> None:
    async def broken() -> AsyncIterator[bytes]:
        async for piece in pieces(17):
            yield piece
        raise BrokenOffError

    key = a_key()
    async with open_s3_store(s3_settings(s3_server, prefix)) as store:
        await store.put(Content.RESULT, key, b"before")
        with pytest.raises(BrokenOffError):
            await store.put(Content.RESULT, key, broken())
        assert await read(store, key) == b"before"
    # Closed, the store has cleared what was left.
    assert await open_uploads(s3_server, prefix) == []


@pytest.mark.parametrize("after", [0, 4, 5, 6, 10, 11, 23])
async def test_being_cancelled_anywhere_leaves_the_old_and_no_upload(
    s3_server: S3Description, prefix: str, after: int
) -> None:
    reached = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        async for piece in pieces(after):
            yield piece
        reached.set()
        await asyncio.Event().wait()

    key = a_key()
    async with open_s3_store(s3_settings(s3_server, prefix)) as store:
        await store.put(Content.RESULT, key, b"before")
        upload = asyncio.create_task(store.put(Content.RESULT, key, endless()))
        await reached.wait()
        upload.cancel()
        with pytest.raises(asyncio.CancelledError):
            await upload
        assert await read(store, key) == b"before"
    assert await open_uploads(s3_server, prefix) == []


@pytest.mark.parametrize("turns", range(0, 60, 6))
async def test_being_cancelled_at_any_turn_of_the_loop_leaves_no_upload(
    s3_server: S3Description, prefix: str, turns: int
) -> None:
    key = a_key()
    async with open_s3_store(s3_settings(s3_server, prefix)) as store:
        upload = asyncio.create_task(store.put(Content.RESULT, key, bytes(3 * PART)))
        for _ in range(turns):
            await asyncio.sleep(0.001)
        upload.cancel()
        await asyncio.wait([upload])
        stored = await store.size(Content.RESULT, key)
        assert stored in {None, 3 * PART}
    assert await open_uploads(s3_server, prefix) == []


async def test_many_large_ones_at_a_time_share_few_connections(
    s3_server: S3Description, prefix: str
) -> None:
    keys = [a_key() for _ in range(6)]
    async with open_s3_store(s3_settings(s3_server, prefix, connections=3)) as store:
        puts = (store.put(Content.RESULT, key, pieces(12)) for key in keys)
        await asyncio.gather(*puts)
        sizes = await asyncio.gather(*(store.size(Content.RESULT, key) for key in keys))
    assert sizes == [12 * MIB] * 6


async def test_readers_that_stop_early_give_their_connection_back(
    s3_server: S3Description, prefix: str
) -> None:
    key = a_key()
    async with open_s3_store(s3_settings(s3_server, prefix, connections=1)) as store:
        await store.put(Content.RESULT, key, pieces(12))
        async with asyncio.timeout(20):
            for reads in (0, 1, 2):
                stored = await store.get(Content.RESULT, key)
                assert stored is not None
                for _ in range(reads):
                    await anext(stored.chunks)
                del stored
            assert len(await read(store, key)) == 12 * MIB


async def test_a_reader_that_was_cancelled_gives_its_connection_back(
    s3_server: S3Description, prefix: str
) -> None:
    key = a_key()
    async with open_s3_store(s3_settings(s3_server, prefix, connections=1)) as store:
        await store.put(Content.RESULT, key, pieces(12))
        begun = asyncio.Event()

        async def slow() -> None:
            stored = await store.get(Content.RESULT, key)
            assert stored is not None
            async for _ in stored.chunks:
                begun.set()
                await asyncio.Event().wait()

        reader = asyncio.create_task(slow())
        await begun.wait()
        reader.cancel()
        await asyncio.wait([reader])
        # Its last frame, and what it read from, hang on it.
        del reader
        async with asyncio.timeout(20):
            assert await store.size(Content.RESULT, key) == 12 * MIB
