"""Lists of finished runs, newest first: one a stage, and one a stage and algorithm.

A list is parted by the minute in which its runs were received; days and minutes that have any are
listed, too, so that a reader passes over the rest. Rows are only added, and go with their time.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from itertools import chain, islice
from typing import cast

from nexus_core.adapters.cassandra import statements
from nexus_core.adapters.cassandra.days_and_minutes import day_of, minute_of
from nexus_core.adapters.cassandra.endings import ending
from nexus_core.adapters.cassandra.merged_pages import Entry, Place, Source
from nexus_core.adapters.cassandra.rows import whole_millis
from nexus_core.adapters.cassandra.session import CqlSession, Statement, Write
from nexus_core.domain.stages import Stage
from nexus_core.ports.clock import Clock

_ALL = ""
"""The list of a stage that has the runs of every algorithm."""

_AT_ONCE = 8
"""Minutes read at the same time: where runs are rare, a page is made of many."""

_BATCH = 32
"""Rows written at once. Few enough for what servers call a large batch."""


class FinishedRuns:
    """Adds to the lists, and reads them."""

    def __init__(self, session: CqlSession, clock: Clock) -> None:
        self._session = session
        self._clock = clock

    async def add(self, runs: Iterable[tuple[Entry, Stage]]) -> None:
        """List finished runs, as such and as runs that have ended now. May be repeated."""
        now = whole_millis(self._clock.now())
        writes = iter(
            dict.fromkeys(
                write
                for run, stage in runs
                for write in chain(listing(run, stage), ending(run, now))
            )
        )
        while batch := list(islice(writes, _BATCH)):
            await self._session.batch(batch)

    def newest_first(
        self, stages: Iterable[Stage], algorithm: str | None, received_from: datetime
    ) -> list[Source]:
        """Return a source for each stage; of one algorithm's runs or of all."""
        return [
            partial(self._after, stage, algorithm or _ALL, received_from)
            for stage in sorted(stages)
        ]

    async def _after(
        self, stage: Stage, of: str, received_from: datetime, after: Place, size: int
    ) -> list[Entry]:
        found: list[Entry] = []
        bounds = (day_of(after.received_at), day_of(received_from))
        days = await self._times(statements.FIND_FINISHED_DAYS, (stage.value, of), bounds)
        for day in days:
            bounds = (minute_of(after.received_at), minute_of(received_from))
            minutes = iter(
                await self._times(statements.FIND_FINISHED_MINUTES, (stage.value, of, day), bounds)
            )
            while group := list(islice(minutes, _AT_ONCE)):
                values = [(stage.value, of, one, *after, received_from, size) for one in group]
                pages = await asyncio.gather(*map(self._page, values))
                for page in pages:
                    found += page
                if len(found) >= size:
                    return found[:size]
        return found

    async def _page(self, values: Sequence[str | datetime | int]) -> list[Entry]:
        rows = await self._session.execute(statements.FIND_FINISHED, values)
        return [
            Entry(cast("datetime", at), cast("str", id_), cast("str", name))
            for at, id_, name in rows
        ]

    async def _times(
        self,
        statement: Statement,
        of: Sequence[str | datetime],
        bounds: tuple[datetime, datetime],
    ) -> list[datetime]:
        rows = await self._session.execute(statement, (*of, *bounds))
        return [cast("datetime", time) for (time,) in rows]


def listing(run: Entry, stage: Stage) -> Iterator[Write]:
    """Return what lists a finished run: in the list of its stage, and in its algorithm's."""
    day, minute = day_of(run.received_at), minute_of(run.received_at)
    for of in (_ALL, run.algorithm):
        yield statements.ADD_FINISHED_DAY, (stage.value, of, day)
        yield statements.ADD_FINISHED_MINUTE, (stage.value, of, day, minute)
        yield (
            statements.ADD_FINISHED,
            (stage.value, of, minute, run.received_at, run.request_id, run.algorithm),
        )


def unlisting(run: Entry, stage: Stage) -> Iterator[Write]:
    """Return what takes a finished run out of those lists; days and minutes go with their time."""
    minute = minute_of(run.received_at)
    for of in (_ALL, run.algorithm):
        yield (
            statements.REMOVE_FINISHED,
            (stage.value, of, minute, run.received_at, run.request_id, run.algorithm),
        )
