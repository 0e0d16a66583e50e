"""Endpoints as data: what is served is also what is documented."""

import hmac
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec
import structlog
from aiohttp import hdrs, web

from nexus_core.aio.circuit import CircuitOpenError
from nexus_core.domain.errors import NexusError
from nexus_core.telemetry.http_metrics import HttpMetrics
from nexus_core.web.errors import ErrorRenderer, HttpError, StatusTable, describe

log = structlog.get_logger()

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Answer(msgspec.Struct, frozen=True):
    """One way in which an endpoint answers."""

    description: str
    body: Any = None
    """The type of the body; None: there is none, or it is plain text or bytes."""
    content_type: str = "application/json"
    example: Any = None
    or_text: bool = False
    """Whether who asks for plain text gets that instead."""


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """A query parameter or header."""

    name: str
    description: str
    kind: Any = str
    """Its type, with its constraints."""
    place: str = "query"
    """`query` or `header`; what stands in the path is known by the path itself."""
    required: bool = False
    example: Any = None


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One method of one path."""

    method: str
    path: str
    """After the prefix of its family, in aiohttp's notation: `/run/{algorithmName}`."""
    handler: Handler
    summary: str
    """A few words, for lists."""
    description: str = ""
    body: Any = None
    """The type that the request's body decodes to; `bytes`: anything; None: there is no body."""
    body_content_type: str = "application/json"
    body_example: Any = None
    parameters: tuple[Parameter, ...] = ()
    answers: Mapping[int, Answer]


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """Endpoints that share prefixes, a way of telling errors, and who may call them."""

    title: str
    description: str = ""
    """For those who choose between families: what is particular about this one."""
    prefixes: tuple[str, ...]
    """The first one is the documented one, the others are its aliases."""
    endpoints: Sequence[Endpoint]
    render_error: ErrorRenderer
    statuses: StatusTable
    tokens: frozenset[str] = frozenset()
    """Bearer tokens that open these endpoints; empty: everybody may call them."""
    documented: bool = True


def add_family(app: web.Application, family: Family, metrics: HttpMetrics) -> None:
    """Serve a family's endpoints under each of its prefixes, one endpoint a path."""
    for endpoint in family.endpoints:
        for prefix in family.prefixes:
            resource = app.router.add_resource(prefix + endpoint.path)
            resource.add_route(endpoint.method, _wrap(endpoint, family, metrics))
            resource.add_route(hdrs.METH_ANY, _wrong_method(endpoint, family))


def _wrap(endpoint: Endpoint, family: Family, metrics: HttpMetrics) -> Handler:
    """Put around a handler what all have in common: access, errors, metrics.

    One closure instead of a chain of middlewares, since each of those costs every request.
    """
    handle, tokens = endpoint.handler, family.tokens
    observe = metrics.observer(endpoint.method, family.prefixes[0] + endpoint.path)

    async def handler(request: web.Request) -> web.StreamResponse:
        began = time.perf_counter()
        status = 500
        try:
            if tokens and not _authorized(request, tokens):
                response: web.StreamResponse = _unauthorized(request, family)
            else:
                response = await handle(request)
            status = response.status
        except NexusError as error:
            response = _tell(error, request, family)
            status = response.status
        except web.HTTPException as error:
            status = error.status
            raise
        except Exception:
            log.exception("request failed", method=request.method, path=request.path)
            failure = HttpError(500, "something went wrong here; it is logged")
            response = family.render_error(failure, request)
        finally:
            observe(status, time.perf_counter() - began)
        return response

    return handler


def _tell(error: NexusError, request: web.Request, family: Family) -> web.Response:
    told = describe(error, family.statuses)
    # That a part is away was said when it was found out; then it is all requests.
    if told.status >= 500 and not isinstance(error, CircuitOpenError):  # noqa: PLR2004 - the class of server errors
        log.warning("request refused", path=request.path, status=told.status, error=str(error))
    return _refusal(told, request, family)


def _refusal(error: HttpError, request: web.Request, family: Family) -> web.Response:
    response = family.render_error(error, request)
    if not request.content.at_eof():
        # Its sender may take long for what is left of the body, and nobody will read it.
        response.force_close()
    return response


def _wrong_method(endpoint: Endpoint, family: Family) -> Handler:
    """Return what answers to all other methods, in the family's way of telling errors."""
    error = HttpError(
        405, f"the method must be {endpoint.method}", headers={hdrs.ALLOW: endpoint.method}
    )

    async def handler(request: web.Request) -> web.StreamResponse:
        return _refusal(error, request, family)

    return handler


def _authorized(request: web.Request, tokens: frozenset[str]) -> bool:
    scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    # Bytes that are no UTF-8 arrive as surrogates; they are a wrong token like any other.
    given = token.strip().encode(errors="surrogateescape")
    # Every token is compared, so that the time taken tells nothing of which one was near.
    matches = [hmac.compare_digest(given, known.encode()) for known in tokens]
    return scheme.lower() == "bearer" and any(matches)


def _unauthorized(request: web.Request, family: Family) -> web.Response:
    error = HttpError(
        401, "a bearer token that is known here is needed", headers={"WWW-Authenticate": "Bearer"}
    )
    return _refusal(error, request, family)
