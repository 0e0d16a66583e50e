import asyncio
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from tools.testbed.cassandra.cql import CqlConnection, CqlError, Login

_LOGIN = Login("nexus", "secret")
_ERROR, _READY, _AUTHENTICATE, _RESULT, _AUTH_SUCCESS = 0x00, 0x02, 0x03, 0x08, 0x10

Answer = tuple[int, bytes]


class Node:
    """Gives answers in their order, then hangs up; keeps what it was asked."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        self._answers = answers
        self.asked: list[tuple[int, bytes]] = []
        self.port = 0

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with server:
            self.port = server.sockets[0].getsockname()[1]
            yield

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for code, body in self._answers:
            _, _, _, asked, length = struct.unpack(">BBhBi", await reader.readexactly(9))
            self.asked.append((asked, await reader.readexactly(length)))
            writer.write(struct.pack(">BBhBi", 0x84, 0, 0, code, len(body)) + body)
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def _connected(*answers: Answer) -> AsyncIterator[tuple[Node, CqlConnection]]:
    node = Node(answers)
    async with node.serving(), CqlConnection.open("127.0.0.1", node.port, _LOGIN) as connection:
        yield node, connection


def _cells(*values: bytes | None) -> bytes:
    return b"".join(
        struct.pack(">i", -1) if value is None else struct.pack(">i", len(value)) + value
        for value in values
    )


async def test_it_logs_in_where_a_password_is_asked_for() -> None:
    async with _connected((_AUTHENTICATE, b""), (_AUTH_SUCCESS, b"")) as (node, _):
        assert node.asked[1] == (0x0F, b"\0\0\0\x0d\0nexus\0secret")


async def test_rows_come_as_the_bytes_of_their_values() -> None:
    # Rows, no metadata, two columns, two of them.
    result = struct.pack(">iiii", 2, 4, 2, 2) + _cells(b"one", None, b"", b"four")
    async with _connected((_READY, b""), (_RESULT, result)) as (_, connection):
        assert await connection.run("SELECT") == [(b"one", None), (b"", b"four")]


async def test_a_statement_without_rows_returns_none() -> None:
    async with _connected((_READY, b""), (_RESULT, struct.pack(">i", 1))) as (_, connection):
        assert await connection.run("INSERT") == []


async def test_an_answer_that_is_an_error_is_raised_with_its_code() -> None:
    refused = struct.pack(">iH", 0x2100, 4) + b"no!?" + b"details"
    async with _connected((_READY, b""), (_ERROR, refused)) as (_, connection):
        with pytest.raises(CqlError, match=r"^no!\? \(0x2100\)$") as raised:
            await connection.run("SELECT")

    assert raised.value.code == CqlError.UNAUTHORIZED


async def test_a_node_that_hangs_up_is_an_error_of_the_connection() -> None:
    async with _connected((_READY, b"")) as (_, connection):
        with pytest.raises(ConnectionResetError):
            await connection.run("SELECT")
