"""The public API: v1 as the contract froze it, and the newest one."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta

from nexus_core.domain.names import ResourceName
from nexus_core.domain.request import AlgorithmRequest, CancellationRequest, TagUpdate
from nexus_core.domain.stages import Stage
from nexus_core.web.endpoints import Answer, Endpoint, Family, Handler, Parameter
from nexus_core.web.errors import PROBLEM_TYPE, ProblemDocument, as_problem, as_text
from nexus_scheduler.errors import LATEST_STATUSES, V1_STATUSES
from nexus_scheduler.routes.explain import ExplainRoute
from nexus_scheduler.routes.handlers import Handlers
from nexus_scheduler.routes.logs import LogRoutes
from nexus_scheduler.routes.requests import MOST_RUNS
from nexus_scheduler.wire import Accepted, CheckpointedRequest, RunList, RunResult

Errors = Callable[..., dict[int, Answer]]
"""Makes the error answers of a family, given the statuses beside those of every route."""

_RUN = "/{algorithmName}/requests/{requestId}"

_DRY_RUN = Parameter(
    name="dryRun", description="Buffer the run, and start no Job", kind=bool, example=False
)
_RUN_EXAMPLE = {"algorithmParameters": {"name": "world"}, "tag": "first-steps"}
_CANCEL_EXAMPLE = {"initiator": "me", "reason": "no longer needed"}


def v1_family(handlers: Handlers, tokens: frozenset[str]) -> Family:
    """Return v1. Frozen: what it answers is what published clients decode."""
    return Family(
        title="v1",
        description="For clients that are published: frozen, and errors are plain text.",
        prefixes=("/algorithm/v1", "/algorithm/v1.0", "/algorithm/v1.2"),
        endpoints=(
            _run(handlers.run, _text, (_DRY_RUN,)),
            _cancel(handlers.cancel, _text),
            _result(handlers.result, _text),
            *_lookups(handlers, _text),
            Endpoint(
                method="GET",
                path="/buffer" + _RUN,
                handler=handlers.buffer_as_text,
                summary="Read the buffered Job of a run",
                answers={
                    200: Answer("The Kubernetes Job as JSON", None, "text/plain"),
                    **_text(400, 404),
                },
            ),
            _payload(handlers, _text, 417),
        ),
        render_error=as_text,
        statuses=V1_STATUSES,
        tokens=tokens,
    )


def latest_family(
    handlers: Handlers, explain: ExplainRoute, logs: LogRoutes, tokens: frozenset[str]
) -> Family:
    """Return the newest API: all of v1, and what v1 may not hold."""
    key = Parameter(
        name="Idempotency-Key",
        place="header",
        description="The same key with the same body answers with the same run, for a day",
        kind=Annotated[str, Meta(min_length=1, max_length=255, pattern="^[ -~]+$")],
    )
    wait = Parameter(
        name="wait",
        description="Answer when the run has finished, or after this time (a duration, at most 5m)",
        example="30s",
    )
    run = _run(handlers.run_once, _problem, (_DRY_RUN, key), 404, 408, 413, 422)
    return Family(
        title="latest",
        description="The newest API: all of v1 and more. Errors are problem documents (RFC 9457).",
        prefixes=("/algorithm", "/algorithm/latest"),
        endpoints=(
            run,
            _cancel(handlers.cancel, _problem, 408, 409, 413),
            _result(handlers.awaited_result, _problem, (wait,)),
            *_lookups(handlers, _problem, 408, 413),
            Endpoint(
                method="GET",
                path="/buffer" + _RUN,
                handler=handlers.buffer,
                summary="Read the buffered Job of a run",
                answers={200: Answer("The Kubernetes Job", dict[str, Any]), **_problem(400, 404)},
            ),
            _payload(handlers, _problem),
            _runs(handlers),
            explain.endpoint(_problem(400, 404)),
            logs.endpoint(_problem(400, 404, 429)),
        ),
        render_error=as_problem,
        statuses=LATEST_STATUSES,
        tokens=tokens,
    )


def _text(*statuses: int) -> dict[int, Answer]:
    return {s: Answer(_MEANINGS[s], None, "text/plain") for s in _always(statuses)}


def _problem(*statuses: int) -> dict[int, Answer]:
    return {s: Answer(_MEANINGS[s], ProblemDocument, PROBLEM_TYPE) for s in _always(statuses)}


def _always(statuses: tuple[int, ...]) -> list[int]:
    """Any route may be asked without a token, break, or find its store away."""
    return sorted({*statuses, 401, 500, 503})


_MEANINGS = {
    400: "The request is wrong; the text says where",
    401: "A bearer token is needed",
    404: "There is no such run, or algorithm",
    408: "The body did not arrive in time",
    409: "The run has finished otherwise",
    413: "The body is too large",
    417: "No payload is stored",
    422: "The idempotency key came with another request before",
    429: "The queue, or the memory for requests, is full; `Retry-After` says when to come again",
    500: "Something went wrong here",
    503: "A part that is needed can't be used now; `Retry-After` says when to come again",
}


def _run(
    handler: Handler, errors: Errors, parameters: tuple[Parameter, ...], *more: int
) -> Endpoint:
    return Endpoint(
        method="POST",
        path="/run/{algorithmName}",
        handler=handler,
        summary="Run an algorithm",
        description="Once this is answered, the run is safe: it ends in one finished stage.",
        body=AlgorithmRequest,
        body_example=_RUN_EXAMPLE,
        parameters=parameters,
        answers={202: Answer("The run is accepted", Accepted), **errors(400, 429, *more)},
    )


def _cancel(handler: Handler, errors: Errors, *more: int) -> Endpoint:
    return Endpoint(
        method="POST",
        path="/cancel" + _RUN,
        handler=handler,
        summary="Cancel a run, and the runs it started",
        description="With the policy `Orphan`, the runs it started go on.",
        body=CancellationRequest,
        body_example=_CANCEL_EXAMPLE,
        answers={
            200: Answer("The run is cancelled", None, "text/plain"),
            **errors(400, 404, *more),
        },
    )


def _result(handler: Handler, errors: Errors, parameters: tuple[Parameter, ...] = ()) -> Endpoint:
    return Endpoint(
        method="GET",
        path="/results" + _RUN,
        handler=handler,
        summary="Ask what became of a run",
        parameters=parameters,
        answers={200: Answer("What is known now", RunResult), **errors(400, 404)},
    )


def _lookups(handlers: Handlers, errors: Errors, *with_body: int) -> tuple[Endpoint, ...]:
    """Return what is the same in all versions but for how errors are told."""
    return (
        Endpoint(
            method="GET",
            path="/results/tags/{requestTag}",
            handler=handlers.tagged,
            summary="Ask what became of the runs with a tag",
            answers={200: Answer("The runs, newest first", list[RunResult]), **errors(400)},
        ),
        Endpoint(
            method="GET",
            path="/metadata" + _RUN,
            handler=handlers.metadata,
            summary="Read all that is recorded of a run",
            answers={200: Answer("The checkpoint", CheckpointedRequest), **errors(400, 404)},
        ),
        Endpoint(
            method="POST",
            path="/metadata/tags" + _RUN,
            handler=handlers.retag,
            summary="Give a run another tag",
            body=TagUpdate,
            body_example={"newTag": "second-try"},
            answers={
                200: Answer("The run has the new tag", dict[str, str]),
                **errors(400, 404, *with_body),
            },
        ),
    )


def _payload(handlers: Handlers, errors: Errors, *more: int) -> Endpoint:
    return Endpoint(
        method="GET",
        path="/payload" + _RUN,
        handler=handlers.payload,
        summary="Go to the payload of a run",
        answers={
            302: Answer("`Location` is the payload's URL", None, "text/plain"),
            **errors(400, 404, *more),
        },
    )


def _runs(handlers: Handlers) -> Endpoint:
    limit, time = Annotated[int, Meta(ge=1, le=MOST_RUNS)], Annotated[datetime, Meta(tz=True)]
    return Endpoint(
        method="GET",
        path="/runs",
        handler=handlers.runs,
        summary="List runs, newest first",
        parameters=(
            Parameter(
                name="algorithm", description="Only runs of this algorithm", kind=ResourceName
            ),
            Parameter(name="stage", description="Only runs in one of these", kind=list[Stage]),
            Parameter(name="tag", description="Only runs with this tag"),
            Parameter(name="from", description="Received then or later", kind=time),
            Parameter(name="until", description="Received before then", kind=time),
            Parameter(name="limit", description="Runs in a page, default 100", kind=limit),
            Parameter(name="cursor", description="The `nextCursor` of the page before"),
        ),
        answers={200: Answer("A page of runs", RunList), **_problem(400)},
    )
