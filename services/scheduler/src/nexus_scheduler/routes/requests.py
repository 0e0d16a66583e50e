"""Reading what a request asks for: path, query and body, each with a clear refusal."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from datetime import UTC, datetime
from typing import NamedTuple

from aiohttp import web

from nexus_core.domain.checkpoint import RunCursor, RunFilter
from nexus_core.domain.durations import parse_duration
from nexus_core.domain.errors import InvalidInputError, Problem
from nexus_core.domain.names import (
    RESOURCE_NAME_RULE,
    RunKey,
    is_request_id,
    is_resource_name,
    parse_run_key,
)
from nexus_core.domain.stages import Stage

LONGEST_WAIT = 300.0
"""Seconds a long poll may ask for; proxies on the way cut much longer ones off."""

MOST_RUNS = 1000
"""Runs in one page of a list."""

MOST_LINES = 10_000
"""Last lines of a log that may be asked for."""

MOST_BYTES = 1024**2
"""Last bytes of a log that are shown at once; who reads it holds all of them in memory."""

_LONGEST_TAG = 1024
_LONGEST_KEY = 255


def bad(name: str, message: str) -> InvalidInputError:
    """Make the error for one wrong part of a request."""
    return InvalidInputError(f"{name}: {message}", (Problem(name, message),))


def run_key(request: web.Request) -> RunKey:
    """Read the run that the path names."""
    return parse_run_key(request.match_info["algorithmName"], request.match_info["requestId"])


def tag_of(request: web.Request) -> str:
    """Read the tag that the path names."""
    return checked_tag("requestTag", request.match_info["requestTag"])


def checked_tag(name: str, tag: str) -> str:
    """Return a tag if runs can have it, and be asked for by it."""
    if len(tag) > _LONGEST_TAG or not tag.isprintable():
        raise bad(name, f"must be at most {_LONGEST_TAG} printable characters, on one line")
    return tag


def dry_run(request: web.Request) -> bool:
    """Read `dryRun`."""
    if not request.query_string:
        return False
    written = request.query.get("dryRun", "false")
    if written not in ("true", "false"):
        raise bad("dryRun", "must be true or false")
    return written == "true"


def wait_seconds(request: web.Request) -> float:
    """Read `wait`; 0 when there is none."""
    written = request.query.get("wait")
    if written is None:
        return 0.0
    try:
        wait = parse_duration(written).total_seconds()
    except InvalidInputError as error:
        raise bad("wait", str(error)) from error
    if not 0 <= wait <= LONGEST_WAIT:
        raise bad("wait", f"must be from 0s to {LONGEST_WAIT:g}s")
    return wait


def idempotency_key(request: web.Request) -> str | None:
    """Read `Idempotency-Key`."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not (
        0 < len(key) <= _LONGEST_KEY and key.isascii() and key.isprintable()
    ):
        raise bad("Idempotency-Key", f"must be 1 to {_LONGEST_KEY} printable ASCII characters")
    return key


def run_filter(request: web.Request) -> RunFilter:
    """Read which runs a list is to show."""
    query = request.query
    algorithm = query.get("algorithm")
    if algorithm is not None and not is_resource_name(algorithm):
        raise bad("algorithm", RESOURCE_NAME_RULE)
    tag = query.get("tag")
    return RunFilter(
        algorithm=algorithm,
        stages=frozenset(_stage(written) for written in query.getall("stage", [])),
        tag=checked_tag("tag", tag) if tag is not None else None,
        received_from=_time("from", query.get("from")),
        received_until=_time("until", query.get("until")),
    )


def limit_of(request: web.Request) -> int:
    """Read how many runs a page is to hold."""
    return _number("limit", request.query.get("limit", "100"), 1, MOST_RUNS)


class LogRequest(NamedTuple):
    """What of a log is asked for."""

    lines: int | None
    """The last so many; None for as many as there is room for."""
    limit: int
    """In bytes."""
    follow: bool


def log_request(request: web.Request) -> LogRequest:
    """Read `tailLines`, `limitBytes` and `follow`."""
    query = request.query
    follow = query.get("follow", "false")
    if follow not in ("true", "false"):
        raise bad("follow", "must be true or false")
    if follow == "true" and "limitBytes" in query:
        raise bad("limitBytes", "can't be given with follow: what is still to come has no size")
    lines = query.get("tailLines")
    return LogRequest(
        lines=None if lines is None else _number("tailLines", lines, 0, MOST_LINES),
        limit=_number("limitBytes", query.get("limitBytes", str(MOST_BYTES)), 1, MOST_BYTES),
        follow=follow == "true",
    )


def cursor_of(request: web.Request) -> RunCursor | None:
    """Read where a page is to begin."""
    written = request.query.get("cursor")
    if written is None:
        return None
    try:
        time, _, request_id = urlsafe_b64decode(written.encode()).decode().partition(" ")
        received_at = datetime.fromisoformat(time).astimezone(UTC)
    except (Base64Error, ValueError, OverflowError) as error:
        raise bad("cursor", "must be a `nextCursor` that was answered here") from error
    if not is_request_id(request_id):
        raise bad("cursor", "must be a `nextCursor` that was answered here")
    return RunCursor(received_at, request_id)


def write_cursor(cursor: RunCursor) -> str:
    """Write a cursor so that `cursor_of` reads it."""
    text = f"{cursor.received_at.astimezone(UTC).isoformat()} {cursor.request_id}"
    return urlsafe_b64encode(text.encode()).decode()


def _number(name: str, written: str, least: int, most: int) -> int:
    # Its length is looked at first: a number of a million digits takes seconds to read.
    if written.isascii() and written.isdecimal() and len(written) <= len(str(most)):
        number = int(written)
        if least <= number <= most:
            return number
    raise bad(name, f"must be a number from {least} to {most}")


def _stage(written: str) -> Stage:
    try:
        return Stage(written)
    except ValueError as error:
        raise bad("stage", f"must be one of {', '.join(Stage)}") from error


def _time(name: str, written: str | None) -> datetime | None:
    if written is None:
        return None
    try:
        # A `+` that was not percent-encoded arrives as a space.
        time = datetime.fromisoformat(written.replace(" ", "+"))
        if time.tzinfo is None:
            raise ValueError("no offset")  # noqa: TRY301 - same answer as for any bad time
        return time.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise bad(name, "must be a time such as 2026-01-31T12:00:00Z") from error
