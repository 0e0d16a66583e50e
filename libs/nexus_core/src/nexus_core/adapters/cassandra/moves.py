"""What to do about parts that nothing more is filed in: which to drop, which to move on together.

Pure. A part is read by every sweep, so it should hold little but open runs, and there should be
few of them. Moving a run costs a write, so each run is moved rarely: once most of its part has
finished, when there are many parts of about one size, or when its slot is old.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import chain

from msgspec import Struct

from nexus_core.adapters.cassandra.merged_pages import Entry
from nexus_core.adapters.cassandra.open_parts import Part

_MANY = 8
"""So many parts of one owner and about one size become one: a run is then moved once an eightfold
growth, while a sweep reads at most seven parts of each size."""

_SLOT_IS_OLD = timedelta(hours=1)
"""From then on a slot is emptied: its partition holds a tombstone for each part it ever listed."""

_AT_MOST = 5_000
"""Runs in a part that was moved."""


class Reading(Struct, frozen=True):
    """A part, as a look at each of its runs found it."""

    part: Part
    filed: int
    """Runs in it, open or not."""
    open: tuple[Entry, ...]


class Move(Struct, frozen=True):
    """Put open runs into a part of their own, if there are any, and drop those they came from."""

    cluster: str
    owner: str
    runs: tuple[Entry, ...]
    sources: tuple[Part, ...]


def moves(readings: Iterable[Reading], now: datetime) -> list[Move]:
    """Return what to move and drop; parts that stand in none of the moves are best left alone."""
    by_owner: dict[tuple[str, str], list[Reading]] = defaultdict(list)
    for reading in readings:
        by_owner[reading.part.cluster, reading.part.owner].append(reading)
    return list(chain.from_iterable(_of_owner(group, now) for group in by_owner.values()))


def _of_owner(readings: Sequence[Reading], now: datetime) -> list[Move]:
    chosen = [one for one in readings if _is_spent(one, now)]
    left = [one for one in readings if one not in chosen]
    by_size: dict[int, list[Reading]] = defaultdict(list)
    for reading in left:
        by_size[len(reading.open).bit_length() // 3].append(reading)
    for alike in by_size.values():
        if len(alike) >= _MANY and sum(len(one.open) for one in alike) <= _AT_MOST:
            chosen += alike
    return _together(chosen)


def _is_spent(reading: Reading, now: datetime) -> bool:
    return 2 * len(reading.open) <= reading.filed or now - reading.part.slot >= _SLOT_IS_OLD


def _together(chosen: Sequence[Reading]) -> list[Move]:
    """Make as few moves of the chosen parts as the size of a part allows."""
    found: list[Move] = []
    runs: set[Entry] = set()
    sources: list[Part] = []
    for reading in sorted(chosen, key=lambda one: one.part):
        if sources and len(runs) + len(reading.open) > _AT_MOST:
            found.append(_move(runs, sources))
            runs, sources = set(), []
        runs.update(reading.open)
        sources.append(reading.part)
    if sources:
        found.append(_move(runs, sources))
    return found


def _move(runs: Iterable[Entry], sources: Sequence[Part]) -> Move:
    part = sources[0]
    return Move(part.cluster, part.owner, tuple(sorted(runs)), tuple(sources))
