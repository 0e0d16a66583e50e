"""How an error is told over HTTP: as plain text to v1 clients, as a problem document to others."""

import math
from collections.abc import Callable, Mapping
from http import HTTPStatus

import msgspec
from aiohttp import web

from nexus_core.domain.errors import NexusError, Problem, UnavailableError

StatusTable = Mapping[type[NexusError], int]
"""The status of each kind of error; a subclass without a row has the row of its parent."""

ErrorRenderer = Callable[["HttpError", web.Request], web.Response]

PROBLEM_TYPE = "application/problem+json"


class HttpError(msgspec.Struct, frozen=True):
    """An error as it goes out."""

    status: int
    detail: str
    problems: tuple[Problem, ...] = ()
    headers: dict[str, str] = {}


class ProblemDocument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An error as RFC 9457 writes it."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    instance: str
    """The path that was asked for."""
    errors: tuple[Problem, ...] = ()
    """Each field that is wrong, where the error is about fields."""


def describe(error: NexusError, table: StatusTable) -> HttpError:
    """Look an error up in a service's table of statuses.

    Raises:
        KeyError: the table has no row for it, nor for a parent of it.
    """
    kind = next(k for k in type(error).__mro__ if k in table)
    headers = {}
    if isinstance(error, UnavailableError):
        # Clients retry ten times over 25 s; without a hint they would all come back at once.
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after or 1)))
    return HttpError(table[kind], str(error), getattr(error, "problems", ()), headers)


def as_text(error: HttpError, _: web.Request) -> web.Response:
    """Tell an error as published v1 clients decode it: the sentence alone, as `text/plain`."""
    return web.Response(status=error.status, text=error.detail, headers=error.headers)


def as_json_string(error: HttpError, _: web.Request) -> web.Response:
    """Tell an error as published clients of the receiver's `check` decode it: a JSON string."""
    return web.Response(
        status=error.status,
        body=msgspec.json.encode(error.detail),
        content_type="application/json",
        headers=error.headers,
    )


def as_problem(error: HttpError, request: web.Request) -> web.Response:
    """Tell an error as a problem document."""
    document = ProblemDocument(
        title=HTTPStatus(error.status).phrase,
        status=error.status,
        detail=error.detail,
        instance=request.path,
        errors=error.problems,
    )
    return web.Response(
        status=error.status,
        body=msgspec.json.encode(document),
        content_type=PROBLEM_TYPE,
        headers=error.headers,
    )
