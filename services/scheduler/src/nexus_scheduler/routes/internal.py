"""What receivers and supervisors tell a scheduler. Not for clients, and not documented to them."""

import msgspec
from aiohttp import web

from nexus_core.domain.bodies import decode_body
from nexus_core.domain.callback import FinishedRuns
from nexus_core.web.bodies import json_response, read_body
from nexus_core.web.endpoints import Answer, Endpoint, Family
from nexus_core.web.errors import as_problem
from nexus_scheduler.errors import LATEST_STATUSES
from nexus_scheduler.waiters import Waiters

_FINISHED = msgspec.json.Decoder(FinishedRuns)
_MAX_BODY = 1024**2
_BODY_SECONDS = 10.0


class InternalRoutes:
    """Takes call backs."""

    def __init__(self, waiters: Waiters) -> None:
        self._waiters = waiters

    def family(self, secret: str) -> Family:
        """Return the endpoints, opened by the shared secret alone."""
        finished = Endpoint(
            method="POST",
            path="/finished",
            handler=self.finished,
            summary="Hear of finished runs",
            body=FinishedRuns,
            answers={200: Answer("Heard", dict[str, str])},
        )
        return Family(
            title="Internal",
            prefixes=("/internal/v1",),
            render_error=as_problem,
            statuses=LATEST_STATUSES,
            tokens=frozenset({secret}),
            endpoints=(finished,),
            documented=False,
        )

    async def finished(self, request: web.Request) -> web.Response:
        """Wake whoever waits for the runs. Idempotent; runs nobody waits for are no error."""
        body = await read_body(request, _MAX_BODY, _BODY_SECONDS)
        for key in decode_body(_FINISHED, body).runs:
            self._waiters.finished(key)
        return json_response({})
