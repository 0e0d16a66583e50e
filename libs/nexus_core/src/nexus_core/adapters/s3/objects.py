"""What is done with whole objects."""

import asyncio
import weakref
from collections.abc import AsyncIterator
from datetime import datetime
from functools import partial
from typing import Self

import aiohttp

from nexus_core.adapters.s3.attempts import Attempts
from nexus_core.adapters.s3.connection import BucketConnection
from nexus_core.adapters.s3.errors import AbsentError, Place, RefusedError, failed, late
from nexus_core.adapters.s3.signatures import Request
from nexus_core.domain.errors import UnavailableError

_PIECE_BYTES = 256 * 1024
"""Smaller objects are read at once, so that nobody has to hold a connection for them."""


class OpenObject:
    """An object that is read in pieces. Replacing it meanwhile changes nothing for who reads.

    Its connection is given back when it has been read, and closed when nobody can read it any
    more: whoever was to read it may have been cancelled before the first piece.
    """

    def __init__(self, response: aiohttp.ClientResponse, place: Place, within: float) -> None:
        self.size = response.content_length or 0
        self._response = response
        self._place = place
        self._within = within
        self._left = self.size
        loop = asyncio.get_running_loop()
        self._close = weakref.finalize(self, _close_soon, loop, response)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """Return the next piece.

        Raises:
            UnavailableError: it can't be read to its end.
        """
        try:
            async with asyncio.timeout(self._within):
                piece = await self._response.content.read(_PIECE_BYTES)
        except TimeoutError as error:
            raise late(self._place, self._within) from error
        except (aiohttp.ClientError, OSError) as error:
            raise failed(self._place, error) from error
        self._left -= len(piece)
        if piece:
            return piece
        self._close()
        if self._left:
            raise UnavailableError(f"{self._place}: an object ended early")
        raise StopAsyncIteration


class BucketObjects:
    """Writes, reads and removes objects of a bucket; tries again where that may help."""

    def __init__(self, connection: BucketConnection, attempts: Attempts, within: float) -> None:
        """Take how long a piece of a large object may take, in seconds."""
        self._connection = connection
        self._attempts = attempts
        self._within = within

    async def put(self, key: str, body: bytes, content_type: str) -> None:
        """Write an object in one request; it is durable, and replaces another one at once."""
        request = Request("PUT", key, body=body, content_type=content_type)
        await self._attempts.run(partial(self._connection.send, request))

    async def open(self, key: str) -> bytes | OpenObject | None:
        """Read a small object, or open a large one; None when there is none."""
        try:
            return await self._attempts.run(partial(self._open, key))
        except AbsentError:
            return None

    async def size(self, key: str) -> int | None:
        """Return the size of an object in bytes; None when there is none."""
        try:
            reply = await self._attempts.run(partial(self._connection.send, Request("HEAD", key)))
        except RefusedError as error:
            # Answers to HEAD have no body that could say why, or that it is the bucket's answer.
            await self._list()
            if isinstance(error, AbsentError):
                return None
            raise
        return int(reply.headers.get("Content-Length", 0))

    async def delete(self, key: str) -> None:
        """Remove an object. Idempotent."""
        try:
            await self._attempts.run(partial(self._connection.send, Request("DELETE", key)))
        except AbsentError:
            return

    async def ping(self) -> None:
        """Ask for the bucket, once; if it does not answer, once more in a way that says why."""
        try:
            await self._attempts.once(partial(self._connection.send, Request("HEAD")))
        except RefusedError:
            await self._list()

    async def date(self) -> datetime | None:
        """Return when the server says that it is, in whole seconds; None: it does not."""
        return await self._attempts.once(self._connection.date)

    async def _open(self, key: str) -> bytes | OpenObject:
        response = await self._connection.begin(Request("GET", key))
        place = self._connection.place
        if (response.content_length or 0) > _PIECE_BYTES:
            return OpenObject(response, place, self._within)
        try:
            return await response.read()
        except (aiohttp.ClientError, OSError) as error:
            raise failed(place, error) from error
        finally:
            response.release()

    async def _list(self) -> None:
        request = Request("GET", query={"list-type": "2", "max-keys": "1"})
        await self._attempts.once(partial(self._connection.send, request))


async def at_once(body: bytes) -> AsyncIterator[bytes]:
    """Go through content that was read already."""
    if body:
        yield body


def _close_soon(loop: asyncio.AbstractEventLoop, response: aiohttp.ClientResponse) -> None:
    # Garbage is collected by whichever thread makes some.
    if not loop.is_closed():
        loop.call_soon_threadsafe(response.close)
