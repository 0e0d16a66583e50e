"""One page out of many sorted sources, each of which is read a little at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import NamedTuple, TypeVar

from nexus_core.domain.names import RunKey

T = TypeVar("T")

# Read of each source at once at least, so that a filter that lets few through needs few rounds.
_LEAST = 64


class Place(NamedTuple):
    """In the order of runs: by time received, then by id."""

    received_at: datetime
    request_id: str


class Entry(NamedTuple):
    """A run, as the tables that only lead to it have it."""

    received_at: datetime
    request_id: str
    algorithm: str

    @property
    def key(self) -> RunKey:
        """What identifies the run."""
        return RunKey(self.algorithm, self.request_id)

    @property
    def place(self) -> Place:
        """Where it stands in the order of runs."""
        return Place(self.received_at, self.request_id)


Source = Callable[[Place, int], Awaitable[list[Entry]]]
"""Returns at most so many entries that come after a place, in order."""

Resolve = Callable[[Sequence[Entry]], Awaitable[list[T | None]]]
"""Returns what to list for each entry; None where it is not to be listed."""


async def merged_page(
    sources: Sequence[Source], after: Place, limit: int, resolve: Resolve[T], *, newest_first: bool
) -> list[T]:
    """Return the first `limit` things that the sources lead to, in order, each once."""
    found: list[T] = []
    size = max(limit, _LEAST)
    place: Place | None = after
    while place is not None and sources:
        pages = await asyncio.gather(*(source(place, size) for source in sources))
        entries, place = _sure(pages, size, newest_first=newest_first)
        for start in range(0, len(entries), limit):
            resolved = await resolve(entries[start : start + limit])
            found += [thing for thing in resolved if thing is not None]
            if len(found) >= limit:
                return found[:limit]
        sources = [source for source, page in zip(sources, pages, strict=True) if page]
    return found


def _sure(
    pages: Sequence[list[Entry]], size: int, *, newest_first: bool
) -> tuple[list[Entry], Place | None]:
    """Return the entries before which none can be missing, and the place to read on from.

    Beyond the last entry of a page that was cut off, that source may have more.
    """
    ends = [page[-1].place for page in pages if len(page) == size]
    entries = sorted({entry for page in pages for entry in page}, reverse=newest_first)
    if not ends:
        return entries, None
    horizon = max(ends) if newest_first else min(ends)
    if newest_first:
        return [entry for entry in entries if entry.place >= horizon], horizon
    return [entry for entry in entries if entry.place <= horizon], horizon
