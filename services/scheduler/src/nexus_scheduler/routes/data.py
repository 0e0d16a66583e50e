"""Payloads and results by signed URL: no credentials but the URL itself."""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from nexus_core.domain.errors import ConflictError, NotFoundError
from nexus_core.domain.names import RunKey
from nexus_core.ports.payload_store import Content
from nexus_core.web.bodies import BodyTooSlowError, json_response, stream_body
from nexus_core.web.endpoints import Answer, Endpoint, Family
from nexus_core.web.errors import ProblemDocument, as_problem
from nexus_scheduler.errors import DATA_STATUSES
from nexus_scheduler.parts import SchedulerParts
from nexus_scheduler.routes import requests

_PATH = "/{algorithmName}/requests/{requestId}"


class DataRoutes:
    """Serves what a signed URL opens."""

    def __init__(self, parts: SchedulerParts, max_size: int, body_timeout: float) -> None:
        self._store = parts.store
        self._payloads = parts.payloads
        self._urls = parts.urls
        self._clock = parts.clock
        self._max_size = max_size
        self._body_timeout = body_timeout

    def family(self) -> Family:
        """Return the endpoints; none of them asks for a token."""
        refused = Answer("The URL is wrong, expired, or for something else", ProblemDocument)
        absent = Answer("Nothing is stored", ProblemDocument)
        return Family(
            title="Data by signed URL",
            prefixes=("/data/v1",),
            render_error=as_problem,
            statuses=DATA_STATUSES,
            endpoints=(
                Endpoint(
                    method="GET",
                    path="/payloads" + _PATH,
                    handler=self.payload,
                    summary="Read a payload",
                    answers={
                        200: Answer("The payload", None, "application/json"),
                        403: refused,
                        404: absent,
                    },
                ),
                Endpoint(
                    method="GET",
                    path="/results" + _PATH,
                    handler=self.result,
                    summary="Read an uploaded result",
                    answers={
                        200: Answer("The result", None, "application/octet-stream"),
                        403: refused,
                        404: absent,
                    },
                ),
                Endpoint(
                    method="PUT",
                    path="/uploads" + _PATH,
                    handler=self.upload,
                    summary="Upload a result",
                    answers={
                        200: Answer("The result is stored", dict[str, str]),
                        403: refused,
                        409: Answer("The run has finished", ProblemDocument),
                    },
                ),
            ),
        )

    async def payload(self, request: web.Request) -> web.StreamResponse:
        """Serve a payload."""
        return await self._serve(request, Content.PAYLOAD, "application/json")

    async def result(self, request: web.Request) -> web.StreamResponse:
        """Serve an uploaded result."""
        return await self._serve(request, Content.RESULT, "application/octet-stream")

    async def upload(self, request: web.Request) -> web.Response:
        """Store a result; again while the run goes on replaces it."""
        key = self._opened(request)
        checkpoint = await self._store.find(key)
        if checkpoint is None:
            raise NotFoundError(f"there is no run {key}")
        if checkpoint.lifecycle_stage.finished:
            raise ConflictError(f"run {key} is {checkpoint.lifecycle_stage} already")
        body = self._bounded(request)
        await self._payloads.put(Content.RESULT, key, body)
        return json_response({})

    async def _serve(
        self, request: web.Request, content: Content, content_type: str
    ) -> web.StreamResponse:
        key = self._opened(request)
        stored = await self._payloads.get(content, key)
        if stored is None:
            raise NotFoundError(f"no {content} is stored for run {key}")
        response = web.StreamResponse()
        response.content_type = content_type
        response.content_length = stored.size
        # What somebody uploaded is never run by a browser that a link led here.
        response.headers["X-Content-Type-Options"] = "nosniff"
        await response.prepare(request)
        async for chunk in stored.chunks:
            await response.write(chunk)
        await response.write_eof()
        return response

    def _opened(self, request: web.Request) -> RunKey:
        self._urls.verify(request.rel_url.raw_path, request.query, self._clock.now())
        return requests.run_key(request)

    async def _bounded(self, request: web.Request) -> AsyncIterator[bytes]:
        """Go through a body, each piece of which must come in time."""
        chunks = aiter(stream_body(request, self._max_size))
        while True:
            try:
                async with asyncio.timeout(self._body_timeout):
                    chunk = await anext(chunks, b"")
            except TimeoutError as error:
                raise BodyTooSlowError("the body did not arrive in time") from error
            if not chunk:
                return
            yield chunk
