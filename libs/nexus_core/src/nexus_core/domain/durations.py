"""Durations as Go writes them, which is how deployments and templates already state them."""

import re
from datetime import timedelta
from functools import lru_cache

from nexus_core.domain.errors import InvalidInputError

DURATION_RULE = "must be a duration such as 24h, 1h30m or 1.5s, at most 292 years"
"""What to say of a text that is no duration."""

_NANOSECONDS = {
    "ns": 1,
    "us": 10**3,
    # Go takes the micro sign and the Greek letter, which look the same.
    "\u00b5s": 10**3,
    "\u03bcs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_TERM = re.compile(rf"([0-9]*)(?:\.([0-9]*))?({'|'.join(_NANOSECONDS)})(?![a-z\u00b5\u03bc])")

# Go counts nanoseconds in 64 bits: about 292 years.
_MAX_NANOSECONDS = 2**63 - 1

# Go takes any length. Nothing sensible is longer, and digits beyond cost time to multiply.
_MAX_LENGTH = 64


# The same few texts are read for every run.
@lru_cache(maxsize=256)
def parse_duration(text: str) -> timedelta:
    """Read a Go duration such as `24h`, `1h30m`, `1.5s`, `-100ms` or `0`.

    What is finer than a microsecond is cut off, toward zero. May be negative or zero: whether that
    makes sense is for the caller to say.

    Raises:
        InvalidInputError: `text` is none, or beyond 292 years; the message is a clause that says
            what it may be.
    """
    unsigned = text[1:] if text[:1] in {"+", "-"} else text
    if unsigned == "0":
        return timedelta()
    nanoseconds = _nanoseconds(unsigned) if len(text) <= _MAX_LENGTH else None
    if nanoseconds is None:
        raise InvalidInputError(f"{DURATION_RULE}; got {text[:40]!r}")
    duration = timedelta(microseconds=nanoseconds // 1000)
    return -duration if text.startswith("-") else duration


def format_duration(duration: timedelta) -> str:
    """Write a duration so that `parse_duration` and Go read the same: `24h`, `1h30m`, `1.5s`.

    Shorter than Go's own `24h0m0s`: for people to read.
    """
    microseconds = abs(duration) // timedelta(microseconds=1)
    if microseconds == 0:
        return "0s"
    sign = "-" if duration < timedelta() else ""
    if microseconds < 10**3:
        return f"{sign}{microseconds}us"
    if microseconds < 10**6:
        return f"{sign}{_decimal(microseconds, 10**3)}ms"
    minutes, rest = divmod(microseconds, 60 * 10**6)
    hours, minutes = divmod(minutes, 60)
    terms = [
        f"{hours}h" if hours else "",
        f"{minutes}m" if minutes else "",
        f"{_decimal(rest, 10**6)}s" if rest else "",
    ]
    return sign + "".join(terms)


def _nanoseconds(text: str) -> int | None:
    total, position = 0, 0
    while position < len(text):
        term = _TERM.match(text, position)
        if term is None:
            return None
        whole, fraction, unit = term[1], term[2] or "", term[3]
        if not whole and not fraction:
            return None
        total += int(whole + fraction) * _NANOSECONDS[unit] // 10 ** len(fraction)
        position = term.end()
    return total if text and total <= _MAX_NANOSECONDS else None


def _decimal(count: int, per_unit: int) -> str:
    """Write `count / per_unit`, a power of ten, exactly and without trailing zeros."""
    whole, rest = divmod(count, per_unit)
    if not rest:
        return str(whole)
    digits = len(str(per_unit)) - 1
    return f"{whole}.{rest:0{digits}d}".rstrip("0")
