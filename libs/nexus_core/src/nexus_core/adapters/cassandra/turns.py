"""When to look at something again that is seen over and over."""

from collections.abc import Hashable, Iterable, Sequence
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T", bound=Hashable)

_FIRST_WAIT, _LONGEST_WAIT = 60.0, 600.0
"""Seconds between two looks, doubled from the one to the other."""


class _Turn(NamedTuple):
    due: float
    wait: float


class Turns(Generic[T]):
    """Remembers when each thing was first seen, by one monotonic clock, and what is due.

    Pure but for its memory, which holds only what was there at the last look.
    """

    def __init__(self, first_after: float) -> None:
        """Let each thing be due `first_after` seconds after it was first seen."""
        self._first_after = first_after
        self._turns: dict[str, dict[T, _Turn]] = {}

    def due(self, group: str, things: Sequence[T], now: float) -> list[T]:
        """Note what is there of a group, forget what is gone; return whose turn it is."""
        before = self._turns.get(group, {})
        first = _Turn(now + self._first_after, _FIRST_WAIT)
        turns = {thing: before.get(thing, first) for thing in things}
        self._turns[group] = turns
        return [thing for thing, turn in turns.items() if turn.due <= now]

    def put_off(self, group: str, things: Iterable[T], now: float) -> None:
        """Look at some things again later, and later each time."""
        turns = self._turns[group]
        for thing in things:
            wait = turns[thing].wait
            turns[thing] = _Turn(now + wait, min(2 * wait, _LONGEST_WAIT))
