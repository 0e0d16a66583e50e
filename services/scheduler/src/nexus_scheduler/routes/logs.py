"""What a run prints, as plain text: what there is of it, or as it goes on."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import structlog
from aiohttp import web
from msgspec import Meta

from nexus_core.domain.errors import OverloadedError, UnavailableError
from nexus_core.domain.log_tail import last_lines
from nexus_core.ports.clock import Clock
from nexus_core.ports.cluster import FollowedLog
from nexus_core.settings.sections import Logs
from nexus_core.web.endpoints import Answer, Endpoint, Parameter
from nexus_scheduler.logs import FoundLog, RunLogs
from nexus_scheduler.routes import requests

log = structlog.get_logger()

# Nothing tells that a client has left who is sent nothing.
_BETWEEN_LOOKS = 1.0
_COME_AGAIN = 5.0

_DESCRIPTION = (
    "While its pod is there, what the newest try of the run prints; afterwards, of a run that "
    "failed, the end of it, which was kept. The header `Nexus-Log-Source` says which it is, `live` "
    "or `kept`, `Nexus-Log-Pod` of which try, `Nexus-Log-Truncated` whether there was more before, "
    "`Nexus-Log-Read-At` when it was read. What is followed ends in order when the pod has ended; "
    "it is cut off when it has to be asked for again."
)


class LogRoutes:
    """Shows logs to a bounded number of clients at a time."""

    def __init__(self, logs: RunLogs, settings: Logs, patience: float, clock: Clock) -> None:
        """`patience` is in seconds, for a client to take what it is sent."""
        self._logs = logs
        self._most_readers = settings.readers
        self._follow_limit = settings.follow_limit
        self._patience = patience
        self._clock = clock
        self._readers = 0
        self._closed = asyncio.Event()

    def __len__(self) -> int:
        return self._readers

    def close(self) -> None:
        """Let all go who follow, so that a service that shuts down does not wait for them."""
        self._closed.set()

    def endpoint(self, refusals: dict[int, Answer]) -> Endpoint:
        """Return the endpoint, given how it refuses."""
        lines = Annotated[int, Meta(ge=0, le=requests.MOST_LINES)]
        size = Annotated[int, Meta(ge=1, le=requests.MOST_BYTES)]
        return Endpoint(
            method="GET",
            path="/logs/{algorithmName}/requests/{requestId}",
            handler=self.read,
            summary="Read what a run prints",
            description=_DESCRIPTION,
            parameters=(
                Parameter(name="tailLines", description="Only the last lines", kind=lines),
                Parameter(
                    name="limitBytes",
                    description="Only the last bytes, default 1048576; not together with `follow`",
                    kind=size,
                ),
                Parameter(
                    name="follow",
                    description="Go on with what is printed, until the pod ends",
                    kind=bool,
                    example=False,
                ),
            ),
            answers={200: Answer("The log", None, "text/plain"), **refusals},
        )

    async def read(self, request: web.Request) -> web.StreamResponse:
        """Show a log."""
        key, asked = requests.run_key(request), requests.log_request(request)
        with self._reading():
            if not asked.follow:
                return _whole(await self._logs.tail(key, asked.limit), asked)
            lines = requests.MOST_LINES if asked.lines is None else asked.lines
            async with self._logs.followed(key, lines) as found:
                if isinstance(found, FoundLog):
                    return _whole(found, asked)
                return await self._follow(request, found)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        if self._readers >= self._most_readers:
            raise OverloadedError(
                f"{self._most_readers} clients read logs here at the moment", _COME_AGAIN
            )
        self._readers += 1
        try:
            yield
        finally:
            self._readers -= 1

    async def _follow(self, request: web.Request, found: FollowedLog) -> web.StreamResponse:
        response = web.StreamResponse(headers=_headers("live", found.pod))
        response.content_type, response.charset = "text/plain", "utf-8"
        copying = asyncio.create_task(self._copy(request, found, response), name="log followed")
        ends = {
            copying,
            asyncio.create_task(self._clock.sleep(self._follow_limit), name="follower let go"),
            asyncio.create_task(_until_left(request, self._clock), name="follower left"),
            asyncio.create_task(self._closed.wait(), name="following closed"),
        }
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in ends:
                task.cancel()
            await asyncio.wait(ends)
        whole = _is_whole(copying, request) and await self._ended(response)
        if not whole and request.transport:
            # The head is out. Cut off, what was told can't be taken for all that there will be.
            request.transport.abort()
        return response

    async def _copy(
        self, request: web.Request, found: FollowedLog, response: web.StreamResponse
    ) -> None:
        await response.prepare(request)  # raises, too, when the client has left by now
        async for chunk in found.chunks:
            async with asyncio.timeout(self._patience):
                await response.write(chunk)

    async def _ended(self, response: web.StreamResponse) -> bool:
        try:
            async with asyncio.timeout(self._patience):
                await response.write_eof()
        except (ConnectionError, TimeoutError):
            return False
        return True


def _is_whole(copying: asyncio.Task[None], request: web.Request) -> bool:
    """Tell whether a log was told to its end."""
    if copying.cancelled():
        return False
    match copying.exception():
        case None:
            return True
        case UnavailableError() as error:
            log.warning("log cut off", path=request.path, error=str(error))
        case ConnectionError() | TimeoutError():
            pass  # the client has left, or takes nothing
        case error:
            log.error("log cut off", path=request.path, exc_info=error)
    return False


async def _until_left(request: web.Request, clock: Clock) -> None:
    while request.transport is not None and not request.transport.is_closing():
        await clock.sleep(_BETWEEN_LOOKS)


def _whole(found: FoundLog, asked: requests.LogRequest) -> web.Response:
    tail = found.tail if asked.lines is None else last_lines(found.tail, asked.lines)
    headers = _headers("live" if found.live else "kept", tail.pod)
    headers["Nexus-Log-Truncated"] = "true" if tail.truncated else "false"
    headers["Nexus-Log-Read-At"] = tail.at.isoformat()
    return web.Response(text=tail.text, headers=headers)


def _headers(source: str, pod: str) -> dict[str, str]:
    return {
        "Nexus-Log-Source": source,
        "Nexus-Log-Pod": pod,
        # What an algorithm printed is never run by a browser that a link led here.
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
