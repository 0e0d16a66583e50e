"""Servers that have a clock of their own."""

from datetime import datetime, timedelta
from typing import NamedTuple, Protocol, runtime_checkable

from nexus_core.domain.errors import UnavailableError


class ToldTime(NamedTuple):
    """What a clock says."""

    at: datetime
    """Aware; never later than the clock is."""
    within: timedelta
    """How much later it may be: clocks are told in whole seconds, or milliseconds."""


@runtime_checkable
class Timekeeper(Protocol):
    """A part on another machine, whose clock may differ from this one's."""

    async def time(self) -> ToldTime:
        """Return what the clock there says now.

        Raises:
            UnavailableError: nobody says it.
        """


def told_by(date: datetime | None, who: str) -> ToldTime:
    """Return what the `Date` of an HTTP answer says, which has whole seconds.

    Raises:
        UnavailableError: there is none.
    """
    if date is None:
        raise UnavailableError(f"{who}: does not say what time it is")
    return ToldTime(date, timedelta(seconds=1))
