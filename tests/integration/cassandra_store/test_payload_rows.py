"""Rows of `payload_buffer` on the real server."""

import os
from uuid import uuid4

import pytest

from nexus_core.adapters.cassandra.errors import UnusableError
from nexus_core.adapters.cassandra.payload_buffer import PayloadBuffer
from nexus_core.adapters.cassandra.session import CqlSession, Statement
from nexus_core.domain.errors import InvalidInputError
from nexus_core.domain.names import RunKey

pytestmark = pytest.mark.integration

WRITE = Statement("INSERT INTO payload_buffer (algorithm, id, payload_content) VALUES (?, ?, ?)")


@pytest.fixture
def key() -> RunKey:
    return RunKey("hello-world", str(uuid4()))


async def test_a_row_that_holds_no_payload_counts_as_none(session: CqlSession, key: RunKey) -> None:
    await session.execute(WRITE, (key.algorithm, key.request_id, None))
    assert await PayloadBuffer(session).find(key) is None


@pytest.mark.parametrize("text", ["", "{}", "e30="])
async def test_a_row_that_holds_something_else_is_named(
    session: CqlSession, key: RunKey, text: str
) -> None:
    await session.execute(WRITE, (key.algorithm, key.request_id, text))
    with pytest.raises(UnusableError, match=f"payload_buffer: the row of run .*{key.request_id}"):
        await PayloadBuffer(session).find(key)


async def test_a_payload_too_large_for_a_row_is_not_written(
    session: CqlSession, key: RunKey
) -> None:
    buffer = PayloadBuffer(session, largest=2048)
    with pytest.raises(InvalidInputError, match=r"payloadSerialization: backend takes .* 2 KiB"):
        await buffer.put(key, os.urandom(2048))
    assert await buffer.find(key) is None
