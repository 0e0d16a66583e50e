"""As much of Cassandra's protocol (CQL, version 4) as starting a node needs.

A driver would do, but its choice is Nexus's, and its threads and pools outlive the moment.
"""

import asyncio
import contextlib
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import IntEnum
from typing import NamedTuple, Self

_SECONDS = 10.0
_REQUEST, _ANSWER = 0x04, 0x84
_ONE, _WITHOUT_METADATA = 0x0001, 0x02
_ROWS = 2
_HEADER = struct.Struct(">BBhBi")

Row = tuple[bytes | None, ...]


class _Code(IntEnum):
    ERROR = 0x00
    STARTUP = 0x01
    READY = 0x02
    AUTHENTICATE = 0x03
    QUERY = 0x07
    RESULT = 0x08
    AUTH_RESPONSE = 0x0F
    AUTH_SUCCESS = 0x10


class Login(NamedTuple):
    """A name and a password."""

    user: str
    password: str


class CqlError(Exception):
    """The node's answer is an error."""

    BAD_CREDENTIALS = 0x0100
    UNAUTHORIZED = 0x2100

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{message} (0x{code:04x})")
        self.code = code


class CqlConnection:
    """A connection that runs one statement after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    @asynccontextmanager
    async def open(
        cls, host: str, port: int, login: Login, tls: ssl.SSLContext | None = None
    ) -> AsyncIterator[Self]:
        """Connect and log in.

        Raises:
            CqlError: The login is refused.
            OSError: There is no connection; `ssl.SSLError` is one of these.
            TimeoutError: The node does not answer.
        """
        async with asyncio.timeout(_SECONDS):
            reader, writer = await asyncio.open_connection(host, port, ssl=tls)
        connection = cls(reader, writer)
        try:
            await connection._log_in(login)
            yield connection
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def run(self, statement: str) -> list[Row]:
        """Run a statement. Returns its rows, values as the bytes of the protocol.

        Raises:
            CqlError: The node refuses it.
            OSError: The connection is gone.
            TimeoutError: The node does not answer.
        """
        text = statement.encode()
        options = struct.pack(">HB", _ONE, _WITHOUT_METADATA)
        _, body = await self._ask(_Code.QUERY, struct.pack(">i", len(text)) + text + options)
        return _rows(body)

    async def _log_in(self, login: Login) -> None:
        version = {"CQL_VERSION": "3.0.0"}
        pairs = b"".join(_text(part) for pair in version.items() for part in pair)
        code, _ = await self._ask(_Code.STARTUP, struct.pack(">H", len(version)) + pairs)
        if code is _Code.AUTHENTICATE:
            token = "\0".join(("", *login)).encode()
            await self._ask(_Code.AUTH_RESPONSE, struct.pack(">i", len(token)) + token)

    async def _ask(self, code: _Code, body: bytes) -> tuple[_Code, bytes]:
        try:
            async with asyncio.timeout(_SECONDS):
                self._writer.write(_HEADER.pack(_REQUEST, 0, 0, code, len(body)) + body)
                await self._writer.drain()
                header = await self._reader.readexactly(_HEADER.size)
                _, _, _, answered, length = _HEADER.unpack(header)
                answer = await self._reader.readexactly(length)
        except asyncio.IncompleteReadError as error:
            raise ConnectionResetError("the node hung up") from error
        if answered == _Code.ERROR:
            number, size = struct.unpack_from(">iH", answer)
            raise CqlError(number, answer[6 : 6 + size].decode())
        return _Code(answered), answer


def _text(text: str) -> bytes:
    content = text.encode()
    return struct.pack(">H", len(content)) + content


def _rows(body: bytes) -> list[Row]:
    (kind,) = struct.unpack_from(">i", body)
    if kind != _ROWS:
        return []
    _, columns, count = struct.unpack_from(">iii", body, 4)
    values, at = [], 16
    for _ in range(columns * count):
        (size,) = struct.unpack_from(">i", body, at)
        at += 4
        values.append(None if size < 0 else body[at : at + size])
        at += max(size, 0)
    return [tuple(values[i : i + columns]) for i in range(0, len(values), columns)]
