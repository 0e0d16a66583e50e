"""The receiver's HTTP API."""

from typing import Any

import msgspec
from aiohttp import web

from nexus_core.domain.bodies import decode_body
from nexus_core.domain.errors import (
    InvalidInputError,
    NexusError,
    NotFoundError,
    UnavailableError,
)
from nexus_core.domain.names import RunKey, parse_run_key
from nexus_core.domain.request import Completion
from nexus_core.web.bodies import json_response, read_body
from nexus_core.web.endpoints import Answer, Endpoint, Family
from nexus_core.web.errors import StatusTable, as_json_string, as_text
from nexus_receiver.complete import Completer
from nexus_receiver.metrics import CompletionMetrics

_RUN = "/{algorithmName}/requests/{requestId}"

# As published clients know them; 503 they retry.
_STATUSES: StatusTable = {
    NexusError: 500,
    InvalidInputError: 400,
    NotFoundError: 404,
    UnavailableError: 503,
}

# A completion holds a URI and an error's words; a stack trace of a megabyte is still welcome.
_MAX_BODY = 4 * 1024**2

_COMPLETION = msgspec.json.Decoder(Completion)


class Processed(msgspec.Struct, frozen=True):
    """Whether a run is in a finished stage."""

    is_processed: bool


class ReceiverRoutes:
    """Each handler decodes, calls and encodes."""

    def __init__(
        self, completer: Completer, metrics: CompletionMetrics, body_timeout: float
    ) -> None:
        self._completer = completer
        self._metrics = metrics
        self._body_timeout = body_timeout

    def families(self, tokens: frozenset[str]) -> tuple[Family, Family]:
        """Return the endpoints; `check` tells its errors in a way of its own."""
        prefixes = ("/algorithm/v1", "/algorithm/v1.0", "/algorithm/v1.2", "/algorithm/latest")
        complete = Endpoint(
            method="POST",
            path="/complete" + _RUN,
            handler=self.complete,
            summary="Report the end of a run",
            description="Without `errorCause` the run succeeded; without `resultUri` its result is "
            "what was uploaded. A finished run stays as it is.",
            body=Completion,
            body_example={"resultUri": "s3a://bucket/result.json"},
            answers={202: Answer("It is recorded", dict[str, Any]), **_errors("text/plain")},
        )
        check = Endpoint(
            method="GET",
            path="/check" + _RUN,
            handler=self.check,
            summary="Ask whether a run has finished",
            answers={200: Answer("Whether it has", Processed), **_errors("application/json", str)},
        )
        return (
            Family(
                title="complete",
                description="For algorithms. Errors are plain text.",
                prefixes=prefixes,
                endpoints=(complete,),
                render_error=as_text,
                statuses=_STATUSES,
                tokens=tokens,
            ),
            Family(
                title="check",
                description="Errors are JSON strings.",
                prefixes=prefixes,
                endpoints=(check,),
                render_error=as_json_string,
                statuses=_STATUSES,
                tokens=tokens,
            ),
        )

    async def complete(self, request: web.Request) -> web.Response:
        """Record a completion."""
        key = _run_key(request)
        body = await read_body(request, _MAX_BODY, self._body_timeout)
        changed = await self._completer.complete(key, decode_body(_COMPLETION, body))
        self._metrics.completed(changed=changed)
        return json_response({}, 202)

    async def check(self, request: web.Request) -> web.Response:
        """Tell whether a run has finished."""
        return json_response(Processed(await self._completer.is_finished(_run_key(request))))


def _run_key(request: web.Request) -> RunKey:
    return parse_run_key(request.match_info["algorithmName"], request.match_info["requestId"])


def _errors(content_type: str, body: Any = None) -> dict[int, Answer]:  # noqa: ANN401 - a type
    meanings = {
        400: "The request is wrong; the text says where",
        401: "A bearer token is needed",
        404: "There is no such run",
        500: "Something went wrong here",
        503: "The store can't be used now; `Retry-After` says when to come again",
    }
    return {status: Answer(text, body, content_type) for status, text in meanings.items()}
