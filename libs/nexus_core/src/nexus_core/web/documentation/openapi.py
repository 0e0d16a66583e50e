"""The OpenAPI document: written from the families of endpoints that a service serves."""

import re
from collections.abc import Sequence
from http import HTTPStatus
from itertools import chain
from typing import Annotated, Any

from msgspec import Meta

from nexus_core import __version__
from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.names import RequestId, ResourceName
from nexus_core.web.documentation.shapes import Schema, Shapes
from nexus_core.web.endpoints import Answer, Endpoint, Family, Parameter

# Paths hold names only; what they mean is the same wherever they stand.
_IN_PATHS = {
    parameter.name: parameter
    for parameter in (
        Parameter(
            name="algorithmName",
            description="The name of the algorithm's template",
            kind=ResourceName,
            example="hello-world",
        ),
        Parameter(
            name="requestId",
            description="The id that was answered when the run was accepted",
            kind=RequestId,
            example="0199c3a4-5b00-7000-8000-000000000001",
        ),
        Parameter(
            name="requestTag",
            description="The tag that runs were given: printable characters, on one line",
            kind=Annotated[str, Meta(min_length=1, max_length=1024)],
            example="first-steps",
        ),
    )
}


def openapi_document(title: str, families: Sequence[Family]) -> dict[str, Any]:
    """Return an OpenAPI 3.1 document of the documented families, each under its first prefix.

    Raises:
        ValueError: two operations would have one id, or two types one name.
    """
    shapes = Shapes()
    documented = [family for family in families if family.documented]
    paths: dict[str, dict[str, Any]] = {}
    for family in documented:
        for endpoint in family.endpoints:
            path = paths.setdefault(family.prefixes[0] + endpoint.path, {})
            path[endpoint.method.lower()] = _operation(endpoint, family, shapes)
    _check_ids(paths)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": __version__,
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        "tags": [_tag(family) for family in documented],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(shapes.components.items())),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _tag(family: Family) -> dict[str, str]:
    *others, last = [f"`{alias}`" for alias in family.prefixes[1:]] or [""]
    aliases = f"Also served under {', '.join(others)}{' and ' if others else ''}{last}."
    words = [family.description, aliases if last else ""]
    return {"name": family.title, "description": " ".join(filter(None, words))}


def _operation(endpoint: Endpoint, family: Family, shapes: Shapes) -> dict[str, Any]:
    path = family.prefixes[0] + endpoint.path
    in_path = [
        _IN_PATHS.get(name, Parameter(name=name, description=""))
        for name in re.findall(r"\{(\w+)\}", path)
    ]
    operation = {
        "operationId": _operation_id(endpoint.method, path),
        "tags": [family.title],
        "summary": endpoint.summary,
        "description": endpoint.description,
        "parameters": [
            *(_parameter(p, "path", shapes) for p in in_path),
            *(_parameter(p, p.place, shapes) for p in endpoint.parameters),
        ],
        "requestBody": _request_body(endpoint, shapes),
        "responses": {
            str(status): _response(status, answer, family, shapes)
            for status, answer in sorted(endpoint.answers.items())
        },
    }
    # An empty list of security says more than none: that nobody asks for a token.
    return {k: v for k, v in operation.items() if v} | {"security": _security(endpoint, family)}


def _operation_id(method: str, path: str) -> str:
    """Return `getResultsTagsByRequestTag` for `GET /results/tags/{requestTag}`.

    A parameter in the middle of a path says nothing that the words around it don't.
    """
    *_, last = segments = [segment for segment in path.split("/") if segment]
    words = [segment for segment in segments if not segment.startswith("{")]
    if last.startswith("{"):
        words += ["by", last]
    parts = re.findall(r"[A-Za-z0-9]+", " ".join(words))
    return method.lower() + "".join(part[0].upper() + part[1:] for part in parts)


def _check_ids(paths: dict[str, dict[str, Any]]) -> None:
    operations = list(chain.from_iterable(item.values() for item in paths.values()))
    if len({operation["operationId"] for operation in operations}) < len(operations):
        raise ValueError("two operations have the same id; their paths are too much alike")


def _parameter(parameter: Parameter, place: str, shapes: Shapes) -> dict[str, Any]:
    written = {
        "name": parameter.name,
        "in": place,
        "description": parameter.description,
        "required": place == "path" or parameter.required,
        "schema": shapes.of(parameter.kind),
    }
    return written if parameter.example is None else {**written, "example": parameter.example}


def _request_body(endpoint: Endpoint, shapes: Shapes) -> dict[str, Any] | None:
    if endpoint.body is None:
        return None
    # What is no text has no schema.
    media: Schema = {} if endpoint.body is bytes else {"schema": shapes.of(endpoint.body)}
    if endpoint.body_example is not None:
        media["example"] = endpoint.body_example
    return {"required": True, "content": {endpoint.body_content_type: media}}


def _response(status: int, answer: Answer, family: Family, shapes: Shapes) -> dict[str, Any]:
    response: dict[str, Any] = {"description": answer.description}
    if headers := _headers(status, family):
        response["headers"] = headers
    if content := _content(answer, shapes):
        response["content"] = content
    return response


def _content(answer: Answer, shapes: Shapes) -> dict[str, Any]:
    if answer.body is not None:
        media: Schema = {"schema": shapes.of(answer.body)}
    elif answer.content_type.startswith("text/"):
        media = {"schema": {"type": "string"}}
    elif answer.content_type == "application/json":
        return {}
    else:
        media = {}
    if answer.example is not None:
        media["example"] = answer.example
    text = {"text/plain": {"schema": {"type": "string"}}} if answer.or_text else {}
    return {answer.content_type: media, **text}


def _headers(status: int, family: Family) -> dict[str, Any]:
    """Return the headers that come with a status, wherever it is answered."""
    busy = {code for kind, code in family.statuses.items() if issubclass(kind, UnavailableError)}
    if status == HTTPStatus.FOUND:
        return {"Location": _header("Where it is", {"type": "string", "format": "uri"})}
    if status == HTTPStatus.UNAUTHORIZED:
        return {"WWW-Authenticate": _header("How to show who you are", {"const": "Bearer"})}
    if status in busy:
        seconds = {"type": "integer", "minimum": 1}
        return {"Retry-After": _header("In how many seconds to come again", seconds)}
    return {}


def _header(description: str, schema: Schema) -> dict[str, Any]:
    return {"description": description, "required": True, "schema": schema}


def _security(endpoint: Endpoint, family: Family) -> list[dict[str, list[str]]]:
    if family.tokens:
        return [{"bearer": []}]
    # Clients send a token here whether one is asked for or not.
    return [{}, {"bearer": []}] if HTTPStatus.UNAUTHORIZED in endpoint.answers else []
