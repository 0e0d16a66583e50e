"""A server that dies, freezes and comes back, under the hands of a store."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.names import RunKey
from nexus_core.ports.payload_store import Content
from support.s3 import OwnServer, open_s3_store, open_uploads, s3_settings

pytestmark = pytest.mark.integration

MIB = 1024**2


def a_key() -> RunKey:
    return RunKey("hello-world", str(uuid.uuid4()))


async def test_a_death_in_the_middle_of_a_put_leaves_the_old_and_is_recovered_from(
    own: OwnServer,
) -> None:
    key = a_key()

    async def killing() -> AsyncIterator[bytes]:
        for number in range(40):
            if number == 25:
                await own.server.kill()
            yield bytes(MIB)

    async with open_s3_store(own.settings) as store:
        await store.put(Content.RESULT, key, b"before")
        with pytest.raises(UnavailableError, match="can't be reached"):
            await store.put(Content.RESULT, key, killing())
        with pytest.raises(UnavailableError, match="Connection refused"):
            await store.ping()
        await own.server.start()
        await store.ping()
        stored = await store.get(Content.RESULT, key)
        assert stored is not None
        assert [chunk async for chunk in stored.chunks] == [b"before"]
        await store.put(Content.RESULT, key, b"after")
        assert await store.size(Content.RESULT, key) == 5


async def test_a_restart_during_a_put_costs_time_and_nothing_else(own: OwnServer) -> None:
    key = a_key()
    async with open_s3_store(own.settings) as store:
        await store.put(Content.PAYLOAD, key, b"before")
        await own.server.kill()
        put = asyncio.create_task(store.put(Content.PAYLOAD, key, b"after"))
        await own.server.start()
        await put
        assert await store.size(Content.PAYLOAD, key) == 5


async def test_a_frozen_server_is_waited_for_once(own: OwnServer) -> None:
    key, second_key, second = a_key(), a_key(), timedelta(seconds=1)
    settings = s3_settings(own.description, timeout=second, connect_timeout=second)
    async with open_s3_store(settings) as store:
        await store.put(Content.PAYLOAD, key, b"{}")
        await own.server.freeze()
        began = asyncio.get_running_loop().time()
        for trial in (
            store.put(Content.PAYLOAD, key, b"[]"),
            store.get(Content.PAYLOAD, key),
            store.size(Content.PAYLOAD, key),
            store.delete(Content.PAYLOAD, key),
        ):
            with pytest.raises(UnavailableError, match="did not answer within 1 s"):
                await trial
        assert asyncio.get_running_loop().time() - began < 8
        own.server.thaw()
        # Another one: what was given up is still on its way to the first.
        await store.put(Content.PAYLOAD, second_key, b"back")
        assert await store.size(Content.PAYLOAD, second_key) == 4


async def test_a_server_that_freezes_while_it_is_read_from_is_not_waited_for(
    own: OwnServer,
) -> None:
    key = a_key()
    settings = s3_settings(own.description, timeout=timedelta(seconds=1))
    async with open_s3_store(settings) as store:
        await store.put(Content.RESULT, key, bytes(64 * MIB))
        stored = await store.get(Content.RESULT, key)
        assert stored is not None
        await anext(stored.chunks)
        await own.server.freeze()
        with pytest.raises(UnavailableError, match="did not answer within 1 s"):
            async for _ in stored.chunks:
                pass
        own.server.thaw()


async def test_a_death_while_it_is_read_from_is_told_from_the_end(own: OwnServer) -> None:
    key = a_key()
    async with open_s3_store(own.settings) as store:
        await store.put(Content.RESULT, key, bytes(64 * MIB))
        stored = await store.get(Content.RESULT, key)
        assert stored is not None
        await anext(stored.chunks)
        await own.server.kill()
        with pytest.raises(UnavailableError):
            async for _ in stored.chunks:
                pass


async def test_an_upload_that_broke_off_with_the_server_is_one_for_the_lifecycle_rule(
    own: OwnServer,
) -> None:
    """What can't be aborted stays: the one case in which something is left."""
    key = a_key()

    async def killing() -> AsyncIterator[bytes]:
        for _ in range(12):
            yield bytes(MIB)
        await own.server.kill()

    async with open_s3_store(own.settings) as store:
        with pytest.raises(UnavailableError):
            await store.put(Content.RESULT, key, killing())
    await own.server.start()
    assert len(await open_uploads(own.description, "tests")) <= 1
    async with open_s3_store(own.settings) as store:
        assert await store.get(Content.RESULT, key) is None
