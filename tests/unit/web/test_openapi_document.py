"""The OpenAPI document is written from endpoints and types, and from nothing else."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any, NoReturn

import msgspec
import pytest
import schemathesis
from aiohttp import web
from msgspec import Meta

from nexus_core import __version__
from nexus_core.domain.errors import NexusError, UnavailableError
from nexus_core.domain.request import AlgorithmRequest
from nexus_core.web.documentation.openapi import openapi_document
from nexus_core.web.endpoints import Answer, Endpoint, Family, Parameter
from nexus_core.web.errors import PROBLEM_TYPE, ProblemDocument, as_problem

RUN = "/runs/{algorithmName}/requests/{requestId}"


class Mood(StrEnum):
    """How it is."""

    GOOD = "GOOD"
    BAD = "BAD"


class Base(msgspec.Struct, kw_only=True, rename="camel"):
    given_name: str
    """What friends say."""


class Order(Base, kw_only=True):
    """What is asked.

    In two paragraphs.
    """

    mood: Mood
    how_many: Annotated[int, Meta(ge=1, le=9)] = 1
    """Pieces,
    on two lines."""
    note: str = ""


class Receipt(msgspec.Struct):
    order: Order
    others: list[Order]


async def handle(_: web.Request) -> NoReturn:
    raise NotImplementedError


def an_endpoint(**changes: Any) -> Endpoint:
    endpoint = Endpoint(
        method="POST",
        path="/orders",
        handler=handle,
        summary="Order",
        body=Order,
        answers={200: Answer("Done", Receipt), 404: Answer("Not there", None, "text/plain")},
    )
    return msgspec.structs.replace(endpoint, **changes)


def a_family(*endpoints: Endpoint, **changes: Any) -> Family:
    family = Family(
        title="shop",
        prefixes=("/v1", "/v1.0", "/newest"),
        endpoints=endpoints or (an_endpoint(),),
        render_error=as_problem,
        statuses={NexusError: 500, UnavailableError: 503},
    )
    return msgspec.structs.replace(family, **changes)


def document_of(*families: Family) -> Any:
    # As it goes over the wire: what JSON can't hold fails here.
    return msgspec.json.decode(msgspec.json.encode(openapi_document("Shop", families)))


def operation_of(endpoint: Endpoint, **family: Any) -> Any:
    document = document_of(a_family(endpoint, **family))
    [path] = document["paths"].values()
    return path[endpoint.method.lower()]


def test_is_a_sound_openapi_document() -> None:
    endpoint = an_endpoint(
        path=RUN,
        parameters=(
            Parameter(name="mood", description="Which", kind=list[Mood], example=["GOOD"]),
            Parameter(name="X-Key", description="Once", place="header", required=True),
        ),
        body_example={"givenName": "Ada", "mood": "GOOD"},
        answers={
            302: Answer("There", None, "text/plain"),
            401: Answer("Who?", ProblemDocument, PROBLEM_TYPE),
            503: Answer("Later", None, "text/plain"),
        },
    )
    document = document_of(a_family(endpoint, tokens=frozenset({"secret"})))

    schemathesis.openapi.from_dict(document).validate()

    assert document["openapi"] == "3.1.0"
    assert document["info"]["title"] == "Shop"
    assert document["info"]["version"] == __version__


def test_every_endpoint_stands_under_the_first_prefix_of_its_family() -> None:
    shop = a_family(an_endpoint(), an_endpoint(method="GET", body=None), an_endpoint(path="/x"))
    probes = a_family(an_endpoint(method="GET", path="/livez"), title="probes", prefixes=("",))

    document = document_of(shop, probes)

    assert {(method, path) for path, item in document["paths"].items() for method in item} == {
        ("post", "/v1/orders"),
        ("get", "/v1/orders"),
        ("post", "/v1/x"),
        ("get", "/livez"),
    }


def test_family_that_is_not_for_clients_is_left_out() -> None:
    document = document_of(a_family(documented=False))

    assert document["paths"] == {}
    assert document["tags"] == []
    assert document["components"]["schemas"] == {}


@pytest.mark.parametrize(
    ("prefixes", "words"),
    [
        (("/v1",), "Sells."),
        (("/v1", "/a"), "Sells. Also served under `/a`."),
        (("/v1", "/a", "/b", "/c"), "Sells. Also served under `/a`, `/b` and `/c`."),
    ],
)
def test_tag_names_the_aliases_of_its_family(prefixes: tuple[str, ...], words: str) -> None:
    document = document_of(a_family(description="Sells.", prefixes=prefixes))

    assert document["tags"] == [{"name": "shop", "description": words}]
    assert document["paths"]["/v1/orders"]["post"]["tags"] == ["shop"]


@pytest.mark.parametrize(
    ("method", "path", "operation_id"),
    [
        ("GET", "/runs", "getV1Runs"),
        ("POST", "/run/{algorithmName}", "postV1RunByAlgorithmName"),
        ("GET", RUN, "getV1RunsRequestsByRequestId"),
        ("GET", "/a-b.c", "getV1ABC"),
    ],
)
def test_operation_is_named_after_method_and_path(
    method: str, path: str, operation_id: str
) -> None:
    endpoint = an_endpoint(method=method, path=path)

    assert operation_of(endpoint)["operationId"] == operation_id


def test_operations_of_one_name_are_refused() -> None:
    family = a_family(an_endpoint(path="/a/{x}/b"), an_endpoint(path="/a/b"))

    with pytest.raises(ValueError, match="same id"):
        openapi_document("Shop", [family])


def test_every_reference_leads_to_a_component() -> None:
    document = document_of(a_family(an_endpoint(body=AlgorithmRequest), an_endpoint(path="/more")))

    references = set(_references_in(document))

    assert references >= {"Order", "Receipt", "AlgorithmRequest", "Overrides"}
    assert references == document["components"]["schemas"].keys()


def test_schemas_follow_their_types() -> None:
    before = msgspec.defstruct("Thing", [("size", int)])
    after = msgspec.defstruct("Thing", [("weight", float), ("size", int, 0)])

    assert _thing(before)["properties"] == {"size": {"type": "integer"}}
    assert _thing(before)["required"] == ["size"]
    assert _thing(after)["properties"]["weight"] == {"type": "number"}
    assert _thing(after)["required"] == ["weight"]


def test_types_of_one_name_are_refused() -> None:
    one = msgspec.defstruct("Thing", [("size", int)])
    other = msgspec.defstruct("Thing", [("weight", float)])
    family = a_family(an_endpoint(body=one), an_endpoint(path="/more", body=other))

    with pytest.raises(ValueError, match="Thing"):
        openapi_document("Shop", [family])


def test_constraints_and_enumerations_are_told() -> None:
    schemas = document_of(a_family())["components"]["schemas"]

    how_many = schemas["Order"]["properties"]["howMany"]
    assert (how_many["minimum"], how_many["maximum"]) == (1, 9)
    assert sorted(schemas["Mood"]["enum"]) == ["BAD", "GOOD"]


def test_words_in_the_source_become_descriptions() -> None:
    order = document_of(a_family())["components"]["schemas"]["Order"]

    assert order["description"] == "What is asked.\n\nIn two paragraphs."
    assert order["properties"]["howMany"]["description"] == "Pieces,\non two lines."
    assert order["properties"]["givenName"]["description"] == "What friends say."
    assert "description" not in order["properties"]["note"]


def test_payload_of_a_run_is_an_object() -> None:
    document = document_of(a_family(an_endpoint(body=AlgorithmRequest)))

    request = document["components"]["schemas"]["AlgorithmRequest"]
    assert request["properties"]["algorithmParameters"]["type"] == "object"
    assert request["required"] == ["algorithmParameters"]


def test_body_is_required_and_has_an_example() -> None:
    operation = operation_of(an_endpoint(body_example={"mood": "GOOD"}))

    assert operation["requestBody"] == {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/Order"},
                "example": {"mood": "GOOD"},
            }
        },
    }


def test_endpoint_without_body_asks_for_none() -> None:
    assert "requestBody" not in operation_of(an_endpoint(body=None))


def test_body_of_any_bytes_has_no_schema() -> None:
    operation = operation_of(an_endpoint(body=bytes, body_content_type="application/octet-stream"))

    assert operation["requestBody"]["content"] == {"application/octet-stream": {}}


@pytest.mark.parametrize(
    ("answer", "content"),
    [
        (
            Answer("Typed", Order),
            {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}},
        ),
        (
            Answer("Text", None, "text/plain", "ok"),
            {"text/plain": {"schema": {"type": "string"}, "example": "ok"}},
        ),
        (Answer("Bytes", None, "application/octet-stream"), {"application/octet-stream": {}}),
        (Answer("Nothing"), None),
    ],
)
def test_answers_tell_what_they_hold(answer: Answer, content: Mapping[str, Any] | None) -> None:
    operation = operation_of(an_endpoint(answers={200: answer}))

    assert operation["responses"]["200"]["description"] == answer.description
    assert operation["responses"]["200"].get("content") == content


def test_parameters_stand_in_their_place() -> None:
    endpoint = an_endpoint(
        path=RUN,
        parameters=(
            Parameter(name="wait", description="How long", example="30s"),
            Parameter(name="X-Key", description="Once", place="header", required=True),
        ),
    )

    parameters = {p["name"]: p for p in operation_of(endpoint)["parameters"]}

    assert [(name, p["in"], p["required"]) for name, p in parameters.items()] == [
        ("algorithmName", "path", True),
        ("requestId", "path", True),
        ("wait", "query", False),
        ("X-Key", "header", True),
    ]
    assert parameters["wait"]["example"] == "30s"
    assert parameters["algorithmName"]["schema"]["maxLength"] == 63
    assert parameters["algorithmName"]["schema"]["pattern"]
    assert parameters["requestId"]["schema"]["pattern"]
    assert parameters["requestId"]["example"]


def test_busy_answer_says_when_to_come_again() -> None:
    answer = Answer("Later", None, "text/plain")
    endpoint = an_endpoint(answers={429: answer, 503: answer, 500: answer})

    class FullError(UnavailableError):
        pass

    statuses = {NexusError: 500, UnavailableError: 503, FullError: 429}
    responses = operation_of(endpoint, statuses=statuses)["responses"]

    assert responses["429"]["headers"].keys() == {"Retry-After"}
    assert responses["503"]["headers"].keys() == {"Retry-After"}
    assert "headers" not in responses["500"]


def test_redirect_says_where_to() -> None:
    endpoint = an_endpoint(answers={302: Answer("There", None, "text/plain")})

    assert operation_of(endpoint)["responses"]["302"]["headers"].keys() == {"Location"}


@pytest.mark.parametrize(
    ("tokens", "answers", "security"),
    [
        (frozenset({"secret"}), {401: Answer("Who?")}, [{"bearer": []}]),
        (frozenset(), {401: Answer("Who?")}, [{}, {"bearer": []}]),
        (frozenset(), {200: Answer("Come in")}, []),
    ],
)
def test_token_is_asked_for_where_the_family_has_some(
    tokens: frozenset[str], answers: Mapping[int, Answer], security: Any
) -> None:
    assert operation_of(an_endpoint(answers=answers), tokens=tokens)["security"] == security


def _references_in(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"].removeprefix("#/components/schemas/")
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from _references_in(item)


def _thing(kind: type) -> Any:
    document = document_of(a_family(an_endpoint(body=kind)))
    return document["components"]["schemas"]["Thing"]
