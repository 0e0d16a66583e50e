"""How far clocks are apart, by what they say of themselves. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

TOLERATED = timedelta(seconds=5)
"""By so much clocks may differ: the time that leases have to spare when they are renewed."""

# What is told stays the same while a clock drifts on, or it would be news with every look.
_STEPS = (
    (timedelta(days=1), "a day"),
    (timedelta(hours=1), "an hour"),
    (timedelta(minutes=15), "15 minutes"),
    (timedelta(minutes=1), "a minute"),
    (TOLERATED, "5 seconds"),
)


class Offset(NamedTuple):
    """How far another clock is ahead of this machine's: somewhere between the two."""

    least: timedelta
    most: timedelta

    @property
    def middle(self) -> timedelta:
        """The best guess."""
        return (self.least + self.most) / 2

    @property
    def sure(self) -> timedelta:
        """What it is at least, whichever way; nothing where it may be none at all."""
        return max(self.least, min(self.most, timedelta(0)))


def offset(asked_at: datetime, told: datetime, within: timedelta, answered_at: datetime) -> Offset:
    """Return how far a clock is ahead that was asked, by this machine's time before and after."""
    return Offset(told - answered_at, told + within - asked_at)


def trouble_of(offsets: Mapping[str, Offset]) -> str:
    """Return, in one line, whose clocks this machine's is too far from; empty: it is from none."""
    behind = {part: found for part, found in offsets.items() if found.sure > TOLERATED}
    ahead = {part: found for part, found in offsets.items() if found.sure < -TOLERATED}
    said = [
        f"{_step(max(abs(found.sure) for found in group.values()))} {way} that of {_list(group)}"
        for way, group in (("behind", behind), ("ahead of", ahead))
        if group
    ]
    if not said:
        return ""
    agreeing = offsets.keys() - behind.keys() - ahead.keys()
    beside = f"; it agrees with that of {_list(agreeing)}" if agreeing else ""
    return f"the clock of this machine is more than {' and more than '.join(said)}{beside}"


def _step(apart: timedelta) -> str:
    return next(words for step, words in _STEPS if apart > step)


def _list(parts: Iterable[str]) -> str:
    return ", ".join(sorted(parts))
