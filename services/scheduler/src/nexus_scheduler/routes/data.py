"""Payloads and results by signed URL: no credentials but the URL itself."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

import structlog
from aiohttp import web
from msgspec import Meta

from nexus_core.domain.errors import ConflictError, NotFoundError, UnavailableError
from nexus_core.domain.names import RunKey
from nexus_core.operations.payload_places import PayloadPlaces
from nexus_core.ports.payload_store import Content, Stored
from nexus_core.web.bodies import BodyTooSlowError, json_response, stream_body
from nexus_core.web.endpoints import Answer, Endpoint, Family, Parameter
from nexus_core.web.errors import PROBLEM_TYPE, ProblemDocument, as_problem
from nexus_scheduler.errors import DATA_STATUSES
from nexus_scheduler.parts import SchedulerParts
from nexus_scheduler.routes import requests

log = structlog.get_logger()

_PATH = "/{algorithmName}/requests/{requestId}"

_UnixSeconds = Annotated[int, Meta(ge=0)]

# A client takes these as they stand in the URL that it was given, and never makes them up.
_SIGNATURE = tuple(
    Parameter(name=name, description=description, kind=kind, required=True)
    for name, description, kind in (
        ("sig", "The signature of all the rest of the URL", str),
        ("from", "From when on the URL is valid, in Unix seconds", _UnixSeconds),
        ("to", "Until when the URL is valid, in Unix seconds", _UnixSeconds),
        ("tid", "The tenant that the URL is for", str),
        ("chk", "The checksum of the content; may be empty", str),
    )
)

_MEANINGS = {
    403: "The URL is wrong, expired, or for something else",
    404: "Nothing is stored, or there is no such run",
    408: "The body did not arrive in time",
    409: "The run has finished",
    413: "The body is too large",
    500: "Something went wrong here",
    503: "The store can't be used now; `Retry-After` says when to come again",
}


class DataRoutes:
    """Serves what a signed URL opens."""

    def __init__(self, parts: SchedulerParts, max_size: int, body_timeout: float) -> None:
        self._store = parts.store
        self._payloads = parts.payloads
        self._places = PayloadPlaces(parts.payloads, parts.buffered_payloads)
        self._urls = parts.urls
        self._clock = parts.clock
        self._max_size = max_size
        self._body_timeout = body_timeout

    def family(self) -> Family:
        """Return the endpoints; none of them asks for a token."""
        return Family(
            title="data",
            description="By signed URL: it needs no token, and opens what it was made for alone.",
            prefixes=("/data/v1",),
            render_error=as_problem,
            statuses=DATA_STATUSES,
            endpoints=(
                Endpoint(
                    method="GET",
                    path="/payloads" + _PATH,
                    handler=self.payload,
                    summary="Read a payload",
                    parameters=_SIGNATURE,
                    answers={200: Answer("The payload", dict[str, Any]), **_problems(403, 404)},
                ),
                Endpoint(
                    method="GET",
                    path="/results" + _PATH,
                    handler=self.result,
                    summary="Read an uploaded result",
                    parameters=_SIGNATURE,
                    answers={
                        200: Answer("The result", None, "application/octet-stream"),
                        **_problems(403, 404),
                    },
                ),
                Endpoint(
                    method="PUT",
                    path="/uploads" + _PATH,
                    handler=self.upload,
                    summary="Upload a result",
                    description="Again, while the run goes on, replaces what was uploaded before.",
                    body=bytes,
                    body_content_type="application/octet-stream",
                    parameters=_SIGNATURE,
                    answers={
                        200: Answer("The result is stored", dict[str, str]),
                        **_problems(403, 404, 408, 409, 413),
                    },
                ),
            ),
        )

    async def payload(self, request: web.Request) -> web.StreamResponse:
        """Serve a payload."""
        key = self._opened(request)
        stored = await self._places.find(key)
        if stored is None:
            raise NotFoundError(f"no payload is stored for run {key}, or its time is over")
        return await self._serve(request, stored, "application/json")

    async def result(self, request: web.Request) -> web.StreamResponse:
        """Serve an uploaded result."""
        key = self._opened(request)
        stored = await self._payloads.get(Content.RESULT, key)
        if stored is None:
            raise NotFoundError(f"no result is stored for run {key}, or its time is over")
        return await self._serve(request, stored, "application/octet-stream")

    async def upload(self, request: web.Request) -> web.Response:
        """Store a result; again while the run goes on replaces it."""
        key = self._opened(request)
        await self._refuse_finished(key)
        await self._payloads.put(Content.RESULT, key, self._bounded(request, key))
        return json_response({})

    async def _serve(
        self, request: web.Request, stored: Stored, content_type: str
    ) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_type = content_type
        response.content_length = stored.size
        # What somebody uploaded is never run by a browser that a link led here.
        response.headers["X-Content-Type-Options"] = "nosniff"
        try:
            await response.prepare(request)
            async for chunk in stored.chunks:
                async with asyncio.timeout(self._body_timeout):
                    await response.write(chunk)
            await response.write_eof()
        except ConnectionError as error:
            # The client has left, and needs no answer. Adapters raise nothing of this kind.
            log.debug("client left", path=request.path, error=repr(error))
        except (UnavailableError, TimeoutError) as error:
            # The head is out, and another answer would be taken for content. Cut off, this one
            # can't be taken for the whole.
            log.warning("content cut off", path=request.path, error=repr(error))
            if request.transport:
                request.transport.abort()
        return response

    async def _refuse_finished(self, key: RunKey) -> None:
        checkpoint = await self._store.find(key)
        if checkpoint is None:
            raise NotFoundError(f"there is no run {key}")
        if checkpoint.lifecycle_stage.finished:
            raise ConflictError(f"run {key} is {checkpoint.lifecycle_stage} already")

    def _opened(self, request: web.Request) -> RunKey:
        self._urls.verify(request.rel_url.raw_path, request.query, self._clock.now())
        return requests.run_key(request)

    async def _bounded(self, request: web.Request, key: RunKey) -> AsyncIterator[bytes]:
        """Go through a body: each piece must come in time, and the last before the run's end."""
        chunks = aiter(stream_body(request, self._max_size))
        while True:
            try:
                async with asyncio.timeout(self._body_timeout):
                    chunk = await anext(chunks, b"")
            except TimeoutError as error:
                raise BodyTooSlowError("the body did not arrive in time") from error
            if not chunk:
                # Asked again: a pod that was given up may have been sending all the while.
                await self._refuse_finished(key)
                return
            yield chunk


def _problems(*statuses: int) -> dict[int, Answer]:
    """Any route may break, or find its store away."""
    return {s: Answer(_MEANINGS[s], ProblemDocument, PROBLEM_TYPE) for s in (*statuses, 500, 503)}
