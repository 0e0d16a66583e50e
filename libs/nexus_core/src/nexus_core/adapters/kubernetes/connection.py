"""Requests to one API server."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import Self

import aiohttp
import structlog

from nexus_core.adapters.kubernetes.answers import Answer
from nexus_core.adapters.kubernetes.credentials import Credentials, Grant, Source
from nexus_core.adapters.kubernetes.requests import (
    JSON,
    Request,
    new_session,
    presenting,
    reason_of,
    target_of,
    url_of,
)
from nexus_core.domain.errors import HeldUpError, UnavailableError
from nexus_core.ports.clock import Clock

log = structlog.get_logger()

MERGE_PATCH = "application/merge-patch+json"

_UNAUTHORIZED = 401
# How long connections that were cut in mid-request have to say goodbye by TLS. The HTTP client
# forgets them at once and waits for none; a loop that ends before would complain of each.
_GOODBYE_SECONDS = 0.1
# A whole event is one line: the largest object that etcd takes, and what JSON adds to it.
_LONGEST_LINE = 8 * 1024 * 1024


class Connection:
    """The requests of one process to one API server. Made by `open`.

    Requests wait for one of a bounded number of connections; streams have their own, since each
    holds one for minutes. Credentials are renewed as they age, and once more when a server refuses.
    """

    def __init__(
        self,
        credentials: Credentials,
        requests: aiohttp.ClientSession,
        streams: aiohttp.ClientSession,
        patience: float,
        clock: Clock,
    ) -> None:
        self._clock = clock
        self._credentials = credentials
        self._requests = requests
        self._streams = streams
        self._patience = patience
        self._were_cut = False

    @classmethod
    @asynccontextmanager
    async def open(
        cls, source: Source, clock: Clock, *, connections: int, patience: float
    ) -> AsyncIterator[Self]:
        """Check what is configured, and close all connections at the end. Reaches for no server.

        Args:
            source: where the server is, and by whom it is reached.
            clock: for the age of credentials.
            connections: the most requests under way at once; further ones wait.
            patience: seconds for one request, waiting for a connection included.

        Raises:
            InvalidInputError: what is configured is not sound; one line that names file and thing.
        """
        credentials = Credentials(source, clock)
        await credentials.check()
        async with (
            new_session(limit=connections) as requests,
            new_session(limit=0) as streams,
        ):
            connection = cls(credentials, requests, streams, patience, clock)
            try:
                yield connection
            finally:
                await credentials.close()
        await asyncio.sleep(_GOODBYE_SECONDS if connection._were_cut else 0)

    @property
    def origin(self) -> str:
        """What messages call the server: by the configuration that leads to it."""
        return self._credentials.origin

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = JSON,
        send_by: float | None = None,
    ) -> Answer:
        """Send a request and return the whole answer, whatever its status.

        Idempotent as far as the request is: only a 401 is tried again, which has done nothing.

        Raises:
            HeldUpError: it is later than `send_by` (monotonic); nothing was sent.
            UnavailableError: no answer came, or the server does not accept our credentials. Whether
                the request was carried out is not known.
        """
        grant = await self._credentials.current()
        target = target_of(path, params)
        request = Request(method, target, body, content_type, send_by)
        answer = await self._exchange(grant, request)
        if answer.status == _UNAUTHORIZED:
            fresh = await self._credentials.after_refusal(grant)
            if fresh is not grant:
                answer = await self._exchange(fresh, request)
            if answer.status == _UNAUTHORIZED:
                raise self._unauthorized(fresh)
        return answer

    @asynccontextmanager
    async def stream(
        self, path: str, params: Mapping[str, str], silence: float
    ) -> AsyncIterator["Stream"]:
        """Send a GET whose answer goes on, and close it at the end.

        Args:
            path: what to get.
            params: the query.
            silence: seconds without a byte after which the peer is taken for gone.

        Raises:
            UnavailableError: as `request`; also while reading.
        """
        grant = await self._credentials.current()
        timeout = aiohttp.ClientTimeout(total=None, connect=self._patience, sock_read=silence)
        response = await self._begin(grant, path, params, timeout)
        if response.status == _UNAUTHORIZED:
            response.release()
            fresh = await self._credentials.after_refusal(grant)
            response = await self._begin(fresh, path, params, timeout)
            if response.status == _UNAUTHORIZED:
                response.release()
                raise self._unauthorized(fresh)
        try:
            yield Stream(self, response, silence)
        finally:
            # Aborted, not released: what is still to come would be read to its end.
            if response.connection is not None and response.connection.transport is not None:
                response.connection.transport.abort()
            response.close()

    async def _begin(
        self,
        grant: Grant,
        path: str,
        params: Mapping[str, str],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - for a stream, of which this is the head
    ) -> aiohttp.ClientResponse:
        target = target_of(path, params)
        # Headers must come in time, though the body may not end for minutes.
        with self._in_our_words(grant):
            async with asyncio.timeout(self._patience):
                return await self._streams.get(
                    url_of(grant, target), timeout=timeout, **presenting(grant, None)
                )

    async def _exchange(self, grant: Grant, request: Request) -> Answer:
        has_body = request.body is not None
        presented = presenting(grant, request.content_type if has_body else None)
        # Once there is a connection, the request is written without another wait. So this is the
        # last that can be done: who is frozen while it waits for one finds its time to be over.
        timeout = aiohttp.ClientTimeout(total=self._patience, connect=self._time_left(request))
        with self._in_our_words(grant):
            async with self._requests.request(
                request.method,
                url_of(grant, request.target),
                data=request.body,
                timeout=timeout,
                **presented,
            ) as response:
                return Answer(response.status, response.headers, await response.read())

    def _time_left(self, request: Request) -> float | None:
        """Return the seconds in which a request may still be sent; None: it is not told."""
        if request.send_by is None:
            return None
        left = request.send_by - self._clock.monotonic()
        if left <= 0:
            raise HeldUpError(f"{self.origin}: held up before it was sent: {request.method}")
        return left

    @contextmanager
    def _in_our_words(self, grant: Grant) -> Iterator[None]:
        """Translate failures of the network, and remember that a connection was cut."""
        try:
            yield
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._were_cut = True
            raise self.unreachable(grant, error, self._patience) from error
        except asyncio.CancelledError:
            self._were_cut = True
            raise

    def unreachable(
        self, grant: Grant | None, error: Exception, patience: float
    ) -> UnavailableError:
        """Return, in one line, what a failure of the network means."""
        server = f"API server {grant.access.server}" if grant else "API server"
        return UnavailableError(f"{self.origin}: {server} {reason_of(error, patience)}")

    def _unauthorized(self, grant: Grant) -> UnavailableError:
        user = f" of user '{grant.access.user}'" if grant.access.user else ""
        return UnavailableError(
            f"{self.origin}: API server {grant.access.server} does not accept the credentials{user}"
        )


class Stream:
    """An answer that goes on, line by line."""

    def __init__(
        self, connection: Connection, response: aiohttp.ClientResponse, silence: float
    ) -> None:
        self._connection = connection
        self._response = response
        self._silence = silence

    @property
    def status(self) -> int:
        """HTTP status."""
        return self._response.status

    async def whole(self) -> Answer:
        """Return the answer as a whole: for one that is a refusal."""
        try:
            body = await self._response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._connection.unreachable(None, error, self._silence) from error
        return Answer(self._response.status, self._response.headers, body)

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Go through the answer as it comes, until the server ends it.

        Raises:
            UnavailableError: the connection was cut, or nothing came for too long.
        """
        try:
            async for chunk in self._response.content.iter_any():
                yield chunk
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._connection.unreachable(None, error, self._silence) from error

    async def lines(self) -> AsyncGenerator[bytes, None]:
        """Go through the lines, until the server ends the answer; raises the same."""
        rest = bytearray()
        async with aclosing(self.chunks()) as chunks:
            async for chunk in chunks:
                rest += chunk
                *whole, tail = rest.split(b"\n")
                for line in whole:
                    if line:
                        yield bytes(line)
                rest = bytearray(tail)
                if len(rest) > _LONGEST_LINE:
                    raise UnavailableError(f"{self._connection.origin}: an event has no end")
        if rest.strip():
            yield bytes(rest)
