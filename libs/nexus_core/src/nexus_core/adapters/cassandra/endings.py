"""Runs in the order in which they were found to have ended.

Who files a run as finished adds it to the minute in which that happens, by its own clock. So
nothing comes into a minute that is over, however long a run went on, and a minute whose runs have
had their time is dropped whole. A run that was filed twice, since somebody broke off, stands there
twice.
"""

from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from typing import cast

from nexus_core.adapters.cassandra import statements
from nexus_core.adapters.cassandra.days_and_minutes import day_of, minute_of
from nexus_core.adapters.cassandra.merged_pages import Entry
from nexus_core.adapters.cassandra.rows import millis_above
from nexus_core.adapters.cassandra.session import CqlSession, Write
from nexus_core.domain.names import RunKey
from nexus_core.domain.retirement import Ending, EndingPlace
from nexus_core.ports.clock import Clock

_STILL_FILED = timedelta(minutes=5)
"""How long after its end a minute may still be added to: clocks differ, and writes take their time.
What is younger is not told yet."""

_LISTED_FOR = timedelta(days=366)
"""The time to live of the tables. Nothing is older."""

_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)

_DROPPED_AT_ONCE = 100
"""Minutes dropped in one go: an hour and a half of them, a write each."""


def ending(run: Entry, at: datetime) -> Iterator[Write]:
    """Return what adds a run that was found at a time to have ended."""
    minute = minute_of(at)
    yield statements.ADD_ENDING_MINUTE, (day_of(at), minute)
    yield statements.ADD_ENDING, (minute, at, run.request_id, run.algorithm)


class Endings:
    """Reads and drops them."""

    def __init__(self, session: CqlSession, clock: Clock) -> None:
        self._session = session
        self._clock = clock

    async def page(self, before: datetime, limit: int, after: EndingPlace | None) -> list[Ending]:
        """Return at most `limit` runs that ended before a time, first the first, after a place."""
        now = self._clock.now()
        before = min(millis_above(before), now - _STILL_FILED)
        after = after or EndingPlace(now - _LISTED_FOR)
        found: list[Ending] = []
        async for minute in self._minutes(after.at, before):
            values = (minute, after.at, after.mark, before, limit - len(found))
            rows = await self._session.execute(statements.FIND_ENDINGS, values)
            for at, id_, algorithm in cast("list[tuple[datetime, str, str]]", rows):
                found.append(Ending(RunKey(algorithm, id_), EndingPlace(at, id_)))
            if len(found) >= limit:
                break
        return found

    async def drop(self, after: datetime | None, before: datetime) -> datetime:
        """Drop minutes that were over before a time, some of them; return how far that came.

        `after` is what was returned the last time.
        """
        now = self._clock.now()
        since = after or now - _LISTED_FOR
        before = minute_of(min(before, now - _STILL_FILED))
        day, dropped = day_of(since), 0
        while day < before:
            listed = await self._listed(day, day, before - _MINUTE)
            for minute in listed:
                if dropped == _DROPPED_AT_ONCE:
                    return minute
                if minute >= since:
                    await self._session.execute(statements.DROP_ENDINGS, (minute,))
                    dropped += 1
            if listed and day + _DAY <= before:
                await self._session.execute(statements.DROP_ENDING_MINUTES, (day,))
            day += _DAY
        return before

    async def _minutes(self, since: datetime, until: datetime) -> AsyncIterator[datetime]:
        """Go through the minutes that have endings, that of each bound included."""
        day = day_of(since)
        while day <= until:
            for minute in await self._listed(day, minute_of(since), minute_of(until)):
                yield minute
            day += _DAY

    async def _listed(self, day: datetime, since: datetime, until: datetime) -> list[datetime]:
        rows = await self._session.execute(statements.FIND_ENDING_MINUTES, (day, since, until))
        return [cast("datetime", minute) for (minute,) in rows]
