"""The port `PayloadStore` in the table `payload_buffer`, for payload serialization `backend`."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable
from datetime import timedelta
from typing import TypeVar, TypeVarTuple

from nexus_core.adapters.cassandra import statements
from nexus_core.adapters.cassandra.errors import UnusableError
from nexus_core.adapters.cassandra.packing import (
    DamagedError,
    TooLargeError,
    Unpacking,
    pack,
    packed_from,
)
from nexus_core.adapters.cassandra.session import CqlSession
from nexus_core.adapters.scheduler_urls import SchedulerUrls
from nexus_core.domain.errors import InvalidInputError, Problem
from nexus_core.domain.names import RunKey, parse_run_key
from nexus_core.ports.payload_store import Content, PayloadStore, Stored

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

LARGEST_ROW = 4 * 1024 * 1024
"""Bytes of a packed payload. Servers refuse a write of more than half a segment of their commit
log, which is 16 MiB unless somebody made it smaller; and rows that large hurt long before."""

LARGEST_ROW_OF_KEYSPACES = 900 * 1024
"""The same for Keyspaces, which takes a megabyte a row, keys and its own marks included."""

_AT_ONCE = 64 * 1024
"""Bytes that are packed or unpacked in a millisecond or so; more of them go to a thread."""

_FIELD = "payloadConfiguration.payloadSerialization"


class PayloadBuffer:
    """The rows of the table, as the Go implementation writes and reads them, too."""

    def __init__(self, session: CqlSession, largest: int = LARGEST_ROW) -> None:
        """Take the number of bytes that a packed payload may have."""
        self._session = session
        self._largest = largest

    @property
    def keyspace(self) -> str:
        """The keyspace of the table."""
        return self._session.keyspace

    async def put(self, key: RunKey, body: bytes) -> None:
        """Write a row; durable when it returns. Repeating it is harmless.

        Raises:
            InvalidInputError: the payload is too large for a row.
        """
        try:
            packed = await _aside(len(body), pack, body, self._largest)
        except TooLargeError as error:
            problem = Problem(
                _FIELD,
                f"backend takes a payload of up to {self._largest // 1024} KiB, as its gzip in "
                "base64; with s3 it may be larger",
            )
            raise InvalidInputError(str(problem), (problem,)) from error
        await self._session.execute(statements.PUT_PAYLOAD, (*_checked(key), packed))

    async def find(self, key: RunKey) -> Unpacking | None:
        """Read a row; None when there is none.

        Raises:
            UnusableError: what is in it is no gzip in base64.
        """
        rows = await self._session.execute(statements.FIND_PAYLOAD, _checked(key))
        packed = rows[0][0] if rows else None
        if not isinstance(packed, str):
            return None
        try:
            # Few payloads are so even that they shrink to less than a sixteenth.
            return await _aside(16 * len(packed), packed_from, packed)
        except DamagedError as error:
            raise UnusableError(f"payload_buffer: the row of run {key}: {error}") from error

    async def delete(self, key: RunKey) -> None:
        """Remove a row. Idempotent."""
        await self._session.execute(statements.DELETE_PAYLOAD, _checked(key))

    async def ping(self) -> None:
        """Return when the server answers a read."""
        await self._session.ping()


class CassandraPayloadStore:
    """Keeps payloads in a `PayloadBuffer`, and results in the payload store beside it.

    Its URLs lead to a scheduler, which verifies and serves them. `urls` is None where no other
    scheduler could verify them.
    """

    def __init__(
        self, buffer: PayloadBuffer, beside: PayloadStore, urls: SchedulerUrls | None
    ) -> None:
        self._buffer = buffer
        self._beside = beside
        self._urls = urls

    async def put(self, content: Content, key: RunKey, body: bytes | AsyncIterable[bytes]) -> None:
        """Store content; durable when it returns. The whole of a payload is held in memory.

        Raises:
            InvalidInputError: the payload is too large for a row.
        """
        if content is not Content.PAYLOAD:
            await self._beside.put(content, key, body)
            return
        if not isinstance(body, bytes):
            body = b"".join([chunk async for chunk in body])
        await self._buffer.put(key, body)

    async def get(self, content: Content, key: RunKey) -> Stored | None:
        """Open content for reading; None when nothing is stored."""
        if content is not Content.PAYLOAD:
            return await self._beside.get(content, key)
        found = await self._buffer.find(key)
        return Stored(found.size, _chunks(found)) if found else None

    async def size(self, content: Content, key: RunKey) -> int | None:
        """Return the size of content in bytes; None when nothing is stored.

        Reads all of a payload: its row doesn't say.
        """
        if content is not Content.PAYLOAD:
            return await self._beside.size(content, key)
        found = await self._buffer.find(key)
        return found.size if found else None

    async def delete(self, content: Content, key: RunKey) -> None:
        """Remove content. Idempotent."""
        if content is Content.PAYLOAD:
            await self._buffer.delete(key)
        else:
            await self._beside.delete(content, key)

    def uri(self, content: Content, key: RunKey) -> str:
        """Return the row of a payload, as keyspace, table and key; a result's is as beside."""
        if content is not Content.PAYLOAD:
            return self._beside.uri(content, key)
        row = f"algorithm={key.algorithm}/{key.request_id}"
        return f"cql:///{self._buffer.keyspace}/payload_buffer/{row}"

    async def download_url(
        self, content: Content, key: RunKey, valid_for: timedelta, content_hash: str = ""
    ) -> str:
        """Return a signed URL of the scheduler to GET a payload; a result's is as beside.

        Raises:
            InvalidInputError: schedulers share no secret, so none is made.
        """
        if content is not Content.PAYLOAD:
            return await self._beside.download_url(content, key, valid_for, content_hash)
        if self._urls is None:
            problem = Problem(
                _FIELD,
                "backend needs signing.secret (NEXUS__SIGNING__SECRET) to be set, the same for all "
                "schedulers, since they serve its payloads",
            )
            raise InvalidInputError(str(problem), (problem,))
        return self._urls.download(content, key, valid_for, content_hash)

    async def upload_url(self, content: Content, key: RunKey, valid_for: timedelta) -> str:
        """Return a URL to PUT a result to, as beside."""
        return await self._beside.upload_url(content, key, valid_for)

    async def ping(self) -> None:
        """Return when both of them answer."""
        await self._buffer.ping()
        await self._beside.ping()


def _checked(key: RunKey) -> tuple[str, str]:
    """Return the key as values; here too, though callers have checked it, as in other stores."""
    parse_run_key(key.algorithm, key.request_id)
    return key.algorithm, key.request_id


async def _chunks(found: Unpacking) -> AsyncIterator[bytes]:
    pieces = found.pieces()
    while piece := await _aside(found.size, next, pieces, b""):
        yield piece


async def _aside(size: int, work: Callable[[*Ts], T], *values: *Ts) -> T:
    """Do work on so many bytes: here when they are few, or else in a thread."""
    return work(*values) if size <= _AT_ONCE else await asyncio.to_thread(work, *values)
