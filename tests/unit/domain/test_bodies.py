import msgspec
import pytest

from nexus_core.domain.acceptance import decode_request
from nexus_core.domain.bodies import decode_body
from nexus_core.domain.errors import InvalidInputError, Problem
from nexus_core.domain.request import CancellationRequest, TagUpdate


def refusal(body: bytes) -> InvalidInputError:
    with pytest.raises(InvalidInputError) as raised:
        decode_request(body)
    return raised.value


def a_body(parameters: bytes = b"{}", rest: bytes = b"") -> bytes:
    return b'{"algorithmParameters":' + parameters + rest + b"}"


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        (b"{}", "algorithmParameters", "is required"),
        (b"[]", "", "must be an object, not a list"),
        (b"null", "", "must be an object, not null"),
        (a_body(rest=b',"tag":5'), "tag", "must be a string, not a whole number"),
        (a_body(rest=b',"tag":["a"]'), "tag", "must be a string, not a list"),
        (
            a_body(rest=b',"parentRequest":{"algorithmName":"a"}'),
            "parentRequest.requestId",
            "is required",
        ),
        (
            a_body(rest=b',"customConfiguration":"small"'),
            "customConfiguration",
            "must be an object, not a string",
        ),
        (
            a_body(rest=b',"customConfiguration":{"computeResources":{"limits":{"cpu":true}}}'),
            "customConfiguration.computeResources.limits",
            "must be a number or a string, not true or false",
        ),
        (
            a_body(rest=b',"customConfiguration":{"runtimeEnvironment":{"deadlineSeconds":1.5}}'),
            "customConfiguration.runtimeEnvironment.deadlineSeconds",
            "must be a whole number, not a decimal number",
        ),
        (
            a_body(rest=b',"customConfiguration":{"computeResources":{"limits":{"cpu":1e999}}}'),
            "customConfiguration.computeResources.limits",
            "number out of range",
        ),
        (
            a_body(
                rest=b',"customConfiguration":{"runtimeEnvironment":{"deadlineSeconds":'
                + b"9" * 10_000
                + b"}}"
            ),
            "customConfiguration.runtimeEnvironment.deadlineSeconds",
            "integer value out of range",
        ),
    ],
)
def test_a_body_of_the_wrong_type_is_refused_by_the_path_in_it(
    body: bytes, field: str, message: str
) -> None:
    assert refusal(body).problems == (Problem(field, message),)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nul",
        b"\x00",
        b"algorithmParameters=1",
        "{}".encode("utf-16-le"),
        b"\xef\xbb\xbf" + a_body(),
        a_body() + b" x",
        a_body() + a_body(),
        a_body()[:-1],
        a_body(b'{"a":1'),
        a_body()[:-1] + b"\xe2\x82",
    ],
)
def test_what_is_not_json_is_refused(body: bytes) -> None:
    assert str(refusal(body)).startswith("The body is not JSON: ")


@pytest.mark.parametrize(
    "value",
    [
        b"NaN", b"Infinity", b"-Infinity", b"01", b"+1", b"1.", b".5", b"-", b"1e",
        b"[1,]", b'{"a":1,}', b"{a:1}", b"'a'", b"truex", b"nul", b"/*1*/1",
        b'"\x01"', b'"\n"', b'"\\x41"', b'"\\u12g4"', b'"\\ud800"', b'"\\udc00"',
    ],
)  # fmt: skip
def test_parameters_that_are_not_json_are_refused_though_they_are_kept_as_bytes(
    value: bytes,
) -> None:
    assert str(refusal(a_body(b'{"a":' + value + b"}"))).startswith("The body is not JSON: ")


@pytest.mark.parametrize(
    "text",
    [b"\xff", b"\xc3(", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"],
)
@pytest.mark.parametrize(
    "around",
    [
        (b'{"algorithmParameters":{"a":"', b'"}}'),
        (b'{"algorithmParameters":{"', b'":1}}'),
        (b'{"algorithmParameters":{},"tag":"', b'"}'),
        (b'{"algorithmParameters":{},"unknown":"', b'"}'),
    ],
)
def test_what_is_not_utf8_is_refused_wherever_it_stands(
    text: bytes, around: tuple[bytes, bytes]
) -> None:
    assert str(refusal(around[0] + text + around[1])) == "The body is not UTF-8"


def test_characters_are_whole_across_the_chunks_of_a_large_body() -> None:
    parameters = '{"a":"' + "x€" * 700_000 + '"}'
    body = a_body(parameters.encode())
    assert bytes(decode_request(body).algorithm_parameters).decode() == parameters
    assert str(refusal(body[:-4] + b"\xe2" + body[-3:])) == "The body is not UTF-8"


@pytest.mark.parametrize("unit", [b"[", b'{"a":'])
@pytest.mark.parametrize("depth", [100_000, 1_000_000])
def test_a_body_nested_too_deeply_is_refused(unit: bytes, depth: int) -> None:
    assert str(refusal(a_body(unit * depth))) == "The body is nested too deeply"


@pytest.mark.parametrize(
    "parameters",
    [
        b"{}",
        b'{"a":' + b"9" * 10_000 + b"}",
        b'{"a":1e999}',
        b'{"a":1,"a":2}',
        b'{"a":"\\u0000"}',
        b'{ "b" : [ 1 , 2 ] }',
        b'{"a":' + b"[" * 500 + b"]" * 500 + b"}",
        '{"ключ":"значение €𝄞"}'.encode(),
    ],
)
def test_sound_parameters_are_kept_as_the_bytes_they_came_in(parameters: bytes) -> None:
    assert bytes(decode_request(a_body(parameters)).algorithm_parameters) == parameters


def test_null_is_an_absent_field_and_unknown_fields_are_ignored() -> None:
    rest = (
        b',"customConfiguration":null,"tag":null,"parentRequest":null,"payloadValidFor":null,'
        b'"requestApiVersion":null,"monitoringMetadata":{"a":["b"]}'
    )
    with_nulls, without = decode_request(a_body(rest=rest)), decode_request(a_body())
    assert msgspec.json.encode(with_nulls) == msgspec.json.encode(without)


def test_a_value_that_is_none_of_the_known_ones_is_named() -> None:
    with pytest.raises(InvalidInputError) as raised:
        decode_body(msgspec.json.Decoder(CancellationRequest), b'{"cancellationPolicy":"Later"}')
    assert raised.value.problems == (Problem("cancellationPolicy", "has no value 'Later'"),)


def test_a_text_that_is_too_long_is_told_its_bound() -> None:
    body = msgspec.json.encode({"newTag": "x" * 1025})
    with pytest.raises(InvalidInputError) as raised:
        decode_body(msgspec.json.Decoder(TagUpdate), body)
    assert raised.value.problems == (Problem("newTag", "must be at most 1024 characters"),)
