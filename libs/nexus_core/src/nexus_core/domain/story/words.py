"""How lengths of time and numbers are spoken of."""

from datetime import timedelta

_MINUTE = 60
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR

# Below this, whole seconds would say too little.
_FEW_SECONDS = 10

_ORDINALS = {1: "first", 2: "second", 3: "third"}
_ENDINGS = {1: "st", 2: "nd", 3: "rd"}


def spoken(duration: timedelta) -> str:
    """Return a length of time in at most two units: `40 ms`, `2.4 s`, `3 min 5 s`, `2 days 4 h`."""
    seconds = max(0.0, duration.total_seconds())
    if seconds < 1:
        return f"{round(seconds * 1000)} ms"
    if seconds < _FEW_SECONDS:
        return f"{round(seconds, 1):g} s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return _two(whole, _MINUTE, "min", 1, "s")
    if whole < _DAY:
        return _two(whole, _HOUR, "h", _MINUTE, "min")
    days = whole // _DAY
    return _two(whole, _DAY, "day" if days == 1 else "days", _HOUR, "h")


def counted(number: int, thing: str) -> str:
    """Return a number of things: `1 run`, `1,204 runs`."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def ordinal(number: int) -> str:
    """Return a number as a place in an order: `second`, `12th`, `22nd`."""
    is_teen = number // 10 % 10 == 1
    ending = "th" if is_teen else _ENDINGS.get(number % 10, "th")
    return _ORDINALS.get(number, f"{number}{ending}")


def rate(per_second: float) -> str:
    """Return how many a second: `50 a second`, `0.5 a second`."""
    return f"{round(per_second, 1):g} a second"


def _two(seconds: int, large: int, large_unit: str, small: int, small_unit: str) -> str:
    more = seconds % large // small
    rest = f" {more} {small_unit}" if more else ""
    return f"{seconds // large} {large_unit}{rest}"
