"""Decoding request bodies, with refusals in words that the sender understands."""

import codecs
import re
from typing import TypeVar

import msgspec

from nexus_core.domain.errors import InvalidInputError, Problem

T = TypeVar("T")

# How much is checked for UTF-8 at a time: what a payload of hundreds of megabytes may cost at once.
_CHUNK = 1 << 20

# The first half of a surrogate pair that its string ends with. Near the end of a body the decoder
# takes it for one that goes on, and says so of the body.
_HALF_PAIR = re.compile(rb'\\u[dD][89abAB][0-9a-fA-F]{2}"[^"]{0,4}\Z')

_PATH = re.compile(r" - at `\$\.?(?P<path>.*)`$")
_MISSING = re.compile(r"Object missing required field `(?P<field>.+)`")
_MISFIT = re.compile(r"Expected `(?P<expected>.+)`, got `(?P<got>.+)`")
_TOO_LONG = re.compile(r"Expected `str` of length <= (?P<length>\d+)")
_NO_MEMBER = re.compile(r"Invalid enum value (?P<value>.+)")
_WORDS = {
    "str": "a string",
    "int": "a whole number",
    "float": "a decimal number",
    "int | float": "a number",
    "bool": "true or false",
    "object": "an object",
    "array": "a list",
    "null": "null",
}


def decode_body(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """Return a body as its type. Unknown fields are ignored, JSON's `null` is an absent field.

    Raises:
        InvalidInputError: the body is not UTF-8, not JSON, nested deeper than Python takes (some
            thousands of levels at most), or not of the type; the problem's field is the path in it.
    """
    try:
        _check_utf8(body)
        return decoder.decode(body)
    except UnicodeDecodeError as error:
        raise _not_json("is not UTF-8") from error
    except RecursionError as error:
        raise _not_json("is nested too deeply") from error
    except msgspec.ValidationError as error:
        problem = _problem(str(error))
        raise InvalidInputError(f"The request is not sound: {problem}", (problem,)) from error
    except msgspec.DecodeError as error:
        raise _not_json(_malformation(str(error), body)) from error


def _check_utf8(body: bytes) -> None:
    """Check what the decoder skips over: a field that is kept as raw bytes, unknown fields.

    A last character that is cut off is left to the decoder: no JSON ends so.
    """
    if body.isascii():
        return
    decoder = codecs.getincrementaldecoder("utf-8")()
    for start in range(0, len(body), _CHUNK):
        decoder.decode(body[start : start + _CHUNK])


def _not_json(clause: str) -> InvalidInputError:
    return InvalidInputError(f"The body {clause}", (Problem("", f"the body {clause}"),))


def _malformation(message: str, body: bytes) -> str:
    if message == "Input data was truncated":
        if _HALF_PAIR.search(body, max(0, len(body) - 11)):
            return "is not JSON: a string ends within a surrogate pair"
        return "is not JSON: it ends too early"
    return f"is not JSON: {message.removeprefix('JSON is malformed: ')}"


def _problem(message: str) -> Problem:
    """Say in the sender's words what msgspec says in Python's."""
    path = ""
    if located := _PATH.search(message):
        # A key of a map has no name in msgspec's paths, only a mark.
        path = located["path"].removesuffix("[...]")
        message = message[: located.start()]
    if missing := _MISSING.fullmatch(message):
        return Problem(f"{path}.{missing['field']}".removeprefix("."), "is required")
    if misfit := _MISFIT.fullmatch(message):
        return Problem(path, f"must be {_words(misfit['expected'])}, not {_words(misfit['got'])}")
    if long := _TOO_LONG.fullmatch(message):
        return Problem(path, f"must be at most {long['length']} characters")
    if stranger := _NO_MEMBER.fullmatch(message):
        return Problem(path, f"has no value {stranger['value']}")
    return Problem(path, message[:1].lower() + message[1:])


def _words(types: str) -> str:
    # `null` is left out: fields that take it say the same by being absent.
    names = [name for name in types.split(" | ") if name != "null"] or ["null"]
    if {"int", "float"} <= set(names):
        names = ["int | float", *(name for name in names if name not in {"int", "float"})]
    return " or ".join(_WORDS.get(name, name) for name in names)
