"""A cluster that several processes reach: the process cluster, in a process of its own.

What Kubernetes' API server is to services that are deployed apart, this is to those on embedded
parts: one process runs the Jobs, all others speak to it over HTTP, and each of them may die alone.
The port itself is the protocol: a method's name is the path, its arguments are the body.
"""

import asyncio
import struct
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from inspect import isasyncgenfunction
from typing import Any, get_type_hints

import aiohttp
import msgspec
from aiohttp import web

from nexus_core.domain.errors import (
    ConflictError,
    HeldUpError,
    InvalidInputError,
    JobRejectedError,
    NexusError,
    NotFoundError,
    UnavailableError,
)
from nexus_core.domain.journal import LogTail
from nexus_core.domain.names import RunKey
from nexus_core.domain.observation import JobHandle, JobStatus
from nexus_core.domain.request import CancellationPolicy
from nexus_core.ports.cluster import Cluster, FollowedLog

# A cluster that hangs is one that is away. Shorter than the leases of this world, so that waiting
# for it and dying are not the same.
_PATIENCE = 2.0

# Between two signs of life of a feed in which nothing happens.
_HEARTBEAT = 0.5

_LENGTH = struct.Struct("!I")

_STATUSES: Mapping[type[NexusError], int] = {
    UnavailableError: 503,
    ConflictError: 409,
    JobRejectedError: 422,
    NotFoundError: 404,
    InvalidInputError: 400,
}
_ERRORS = {status: error for error, status in _STATUSES.items()}


def serve(cluster: Cluster) -> web.Application:
    """Return an application through which others reach a cluster."""

    async def call(request: web.Request) -> web.StreamResponse:
        name = request.match_info["method"]
        method, hints = getattr(cluster, name), get_type_hints(getattr(Cluster, name))
        hints.pop("return", None)
        types = tuple(hints.values())
        arguments = msgspec.msgpack.decode(await request.read(), type=tuple[types])  # type: ignore[valid-type]  # made of what the port says
        if isasyncgenfunction(method):
            return await _answer_bit_by_bit(request, method(*arguments))
        try:
            answer = await method(*arguments)
        except NexusError as error:
            return web.Response(status=_STATUSES.get(type(error), 500), text=str(error))
        return web.Response(body=msgspec.msgpack.encode(answer))

    app = web.Application(client_max_size=64 * 1024**2)
    app.router.add_post("/{method}", call)
    return app


async def _answer_bit_by_bit(
    request: web.Request, items: AsyncGenerator[Any, None]
) -> web.StreamResponse:
    """Send items as they come, each after its length; a length of nothing is a sign of life.

    An answer that can't be given to its end is cut off, so that it is not taken for whole.
    """
    response = web.StreamResponse()
    try:
        await response.prepare(request)
        async with aclosing(_encoded(items)) as encoded:
            async for piece in encoded:
                await response.write(_LENGTH.pack(len(piece)) + piece)
    except (ConnectionError, UnavailableError):
        if request.transport is not None:
            request.transport.abort()
    return response


async def _encoded(items: AsyncGenerator[Any, None]) -> AsyncGenerator[bytes, None]:
    """Go through items, with nothing in between while none comes."""
    async with aclosing(items):
        while True:
            item = asyncio.ensure_future(anext(items))
            try:
                while not (await asyncio.wait({item}, timeout=_HEARTBEAT))[0]:
                    yield b""
                yield msgspec.msgpack.encode(item.result())
            except StopAsyncIteration:
                return
            finally:
                item.cancel()
                await asyncio.wait({item})


class RemoteCluster:
    """The port `Cluster` over another process."""

    def __init__(self, name: str, url: str, session: aiohttp.ClientSession) -> None:
        self._name = name
        self._url = url
        self._session = session
        self._heard_at: float | None = None

    @classmethod
    @asynccontextmanager
    async def open(cls, name: str, url: str) -> AsyncIterator["RemoteCluster"]:
        """Reach the cluster that is served at a URL."""
        async with aiohttp.ClientSession() as session:
            yield cls(name, url, session)

    @property
    def name(self) -> str:
        """What workgroups call this cluster."""
        return self._name

    async def create_job(
        self, key: RunKey, manifest: bytes, send_by: float | None = None
    ) -> JobHandle:
        if send_by is not None and time.monotonic() >= send_by:
            raise HeldUpError(f"Job {key.request_id} was held up before it was sent")
        # The time stays here: what is on its way does not know it.
        handle: JobHandle = await self._call("create_job", JobHandle, key, manifest, None)
        return handle

    async def find_job(self, key: RunKey) -> JobStatus | None:
        status: JobStatus | None = await self._call("find_job", JobStatus | None, key)
        return status

    async def delete_job(
        self, key: RunKey, policy: CancellationPolicy = CancellationPolicy.BACKGROUND
    ) -> bool:
        deleted: bool = await self._call("delete_job", bool, key, policy)
        return deleted

    async def log(self, key: RunKey, limit: int) -> LogTail | None:
        tail: LogTail | None = await self._call("log", LogTail | None, key, limit)
        return tail

    @asynccontextmanager
    async def follow_log(self, *_: object) -> AsyncIterator[FollowedLog | None]:
        """Follow nothing: no client of this load reads along."""
        yield None

    async def jobs(self) -> AsyncGenerator[JobStatus, None]:
        async for status in self._stream("jobs", JobStatus):
            yield status

    async def observe(self) -> AsyncGenerator[JobStatus, None]:
        try:
            async for status in self._stream("observe", JobStatus):
                yield status
        finally:
            self._heard_at = None

    def silence(self) -> float | None:
        return None if self._heard_at is None else time.monotonic() - self._heard_at

    async def ping(self) -> None:
        await self._call("ping", type(None))

    async def _call(self, method: str, answer: Any, *arguments: object) -> Any:
        # Settings are numbers of kinds of their own.
        body = msgspec.msgpack.encode(arguments, enc_hook=int)
        try:
            async with (
                asyncio.timeout(_PATIENCE),
                self._session.post(f"{self._url}/{method}", data=body) as response,
            ):
                content = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._away(error) from error
        if response.status != 200:
            raise _ERRORS.get(response.status, UnavailableError)(content.decode())
        return msgspec.msgpack.decode(content, type=answer)

    async def _stream(self, method: str, kind: Any) -> AsyncGenerator[Any, None]:
        body = msgspec.msgpack.encode(())
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_PATIENCE, sock_read=_PATIENCE)
        try:
            async with self._session.post(
                f"{self._url}/{method}", data=body, timeout=timeout
            ) as response:
                while head := await _exactly(response.content, _LENGTH.size):
                    self._heard_at = time.monotonic()
                    (length,) = _LENGTH.unpack(head)
                    if length:
                        item = await response.content.readexactly(length)
                        yield msgspec.msgpack.decode(item, type=kind)
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError) as error:
            raise self._away(error) from error

    def _away(self, error: Exception) -> UnavailableError:
        return UnavailableError(f"cluster '{self._name}' is away: {error!r}")


async def _exactly(stream: aiohttp.StreamReader, count: int) -> bytes:
    """Return so many bytes; none at the end of the stream."""
    try:
        return await stream.readexactly(count)
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return b""
