"""The handlers of the public API: each decodes, calls and encodes, and decides nothing."""

import msgspec
from aiohttp import web

from nexus_core.domain.bodies import decode_body
from nexus_core.domain.checkpoint import RunCursor
from nexus_core.domain.request import CancellationRequest, TagUpdate
from nexus_core.ports.run_index import RunIndex
from nexus_core.web.bodies import json_response, read_body
from nexus_scheduler.cancel import Canceller
from nexus_scheduler.lookup import Lookup
from nexus_scheduler.routes import requests
from nexus_scheduler.routes.run_bodies import RunBodies
from nexus_scheduler.submit import Submitter
from nexus_scheduler.wire import Accepted, RunList, present_checkpoint, present_summary

# Nobody needs more to say why a run is cancelled, or what its tag is.
_SMALL_BODY = 64 * 1024

_CANCELLATION = msgspec.json.Decoder(CancellationRequest)
_TAG_UPDATE = msgspec.json.Decoder(TagUpdate)


class Handlers:
    """What all versions of the API are made of."""

    def __init__(
        self,
        submitter: Submitter,
        canceller: Canceller,
        lookup: Lookup,
        index: RunIndex,
        bodies: RunBodies,
        body_timeout: float,
    ) -> None:
        self._submitter = submitter
        self._canceller = canceller
        self._lookup = lookup
        self._index = index
        self._bodies = bodies
        self._body_timeout = body_timeout

    async def run(self, request: web.Request) -> web.Response:
        """Accept a run."""
        algorithm, dry_run = request.match_info["algorithmName"], requests.dry_run(request)
        self._submitter.check()
        async with self._bodies.body(request) as body:
            request_id = await self._submitter.submit(algorithm, body, dry_run=dry_run)
        return json_response(Accepted(request_id), 202)

    async def run_once(self, request: web.Request) -> web.Response:
        """Accept a run, or answer again what was answered to the same idempotency key."""
        algorithm, dry_run = request.match_info["algorithmName"], requests.dry_run(request)
        key = requests.idempotency_key(request)
        self._submitter.check()
        async with self._bodies.body(request) as body:
            request_id = await self._submitter.submit(algorithm, body, dry_run=dry_run, key=key)
        return json_response(Accepted(request_id), 202)

    async def cancel(self, request: web.Request) -> web.Response:
        """Cancel a run and those below it."""
        key = requests.run_key(request)
        body = await read_body(request, _SMALL_BODY, self._body_timeout)
        await self._canceller.cancel(key, decode_body(_CANCELLATION, body))
        return web.Response(text="")

    async def result(self, request: web.Request) -> web.Response:
        """Tell what became of a run."""
        return json_response(await self._lookup.result(requests.run_key(request), request.host))

    async def awaited_result(self, request: web.Request) -> web.Response:
        """Tell what became of a run, once it has finished or `wait` is over."""
        key, wait = requests.run_key(request), requests.wait_seconds(request)
        # The handlers of others go on when their client leaves: what they began, they finish.
        result = await self._lookup.result(
            key, request.host, wait, lambda: request.transport is None
        )
        return json_response(result)

    async def tagged(self, request: web.Request) -> web.Response:
        """Tell what became of the runs with a tag."""
        return json_response(await self._lookup.tagged(requests.tag_of(request), request.host))

    async def metadata(self, request: web.Request) -> web.Response:
        """Show all that is recorded of a run."""
        checkpoint = await self._lookup.checkpoint(requests.run_key(request))
        return json_response(present_checkpoint(checkpoint))

    async def retag(self, request: web.Request) -> web.Response:
        """Give a run another tag."""
        key = requests.run_key(request)
        body = await read_body(request, _SMALL_BODY, self._body_timeout)
        tag = requests.checked_tag("newTag", decode_body(_TAG_UPDATE, body).new_tag)
        await self._lookup.retag(key, tag)
        return json_response({})

    async def buffer_as_text(self, request: web.Request) -> web.Response:
        """Show the buffered Job of a run, as `text/plain`."""
        job = await self._lookup.buffered_job(requests.run_key(request))
        return web.Response(body=job.manifest, content_type="text/plain", charset="utf-8")

    async def buffer(self, request: web.Request) -> web.Response:
        """Show the buffered Job of a run."""
        job = await self._lookup.buffered_job(requests.run_key(request))
        return web.Response(body=job.manifest, content_type="application/json")

    async def payload(self, request: web.Request) -> web.Response:
        """Lead to the payload of a run."""
        url = await self._lookup.payload_url(requests.run_key(request), request.host)
        return web.Response(status=302, headers={"Location": url}, text="")

    async def runs(self, request: web.Request) -> web.Response:
        """List runs, newest first."""
        limit = requests.limit_of(request)
        found = await self._index.runs(
            # One more than asked for tells whether there is a next page.
            requests.run_filter(request),
            limit + 1,
            requests.cursor_of(request),
        )
        page = found[:limit]
        cursor = ""
        if len(found) > limit:
            last = page[-1]
            cursor = requests.write_cursor(RunCursor(last.received_at, last.key.request_id))
        return json_response(RunList(runs=[present_summary(r) for r in page], next_cursor=cursor))
