"""The port `Journal` in Cassandra."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice

from nexus_core.adapters.cassandra import statements
from nexus_core.adapters.cassandra.journal_rows import (
    event_of,
    event_row,
    sample_of,
    sample_row,
    tail_of,
    tail_row,
)
from nexus_core.adapters.cassandra.rows import whole_millis
from nexus_core.adapters.cassandra.session import CqlSession, Row, Write
from nexus_core.domain.journal import LaneSample, LogTail, RunEvent
from nexus_core.domain.names import RunKey

_BATCH = 8
"""Events of a run written at once: their messages are a few KiB at most, and a batch of 50 KiB is
refused."""

_AT_ONCE = 16
"""Batches, each of one run, that are under way together; they should not crowd out the rest."""

_DAY = timedelta(days=1)

_DAYS = 31
"""Read at most, from the last one back: rows are gone after thirty days."""

_DAYS_AT_ONCE = 8


class CassandraJournal:
    """Keeps events, samples and ends of logs; see the port for what it promises.

    Plain writes by the servers' consistency alone: an entry is written by who saw it, anew with
    the same content at most. Nothing is deleted here; rows go with their time or with their run.
    """

    def __init__(self, session: CqlSession) -> None:
        self._session = session

    async def record(self, events: Sequence[RunEvent]) -> None:
        """Keep events, of any runs. Idempotent: the same event replaces itself."""
        batches = _batches(events)
        while group := list(islice(batches, _AT_ONCE)):
            await asyncio.gather(*map(self._session.batch, group))

    async def events(self, key: RunKey) -> Sequence[RunEvent]:
        """Return what was recorded of a run, oldest first."""
        rows = await self._session.execute(statements.FIND_EVENTS, (key.algorithm, key.request_id))
        return [event for event in map(event_of, rows) if event]

    async def record_lane(self, sample: LaneSample) -> None:
        """Keep a sample of a lane. Idempotent for the same owner, cluster and time."""
        row = (_day(sample.at), *sample_row(sample))
        await self._session.execute(statements.RECORD_LANE, row)

    async def lane(
        self, owner: str, cluster: str, since: datetime, until: datetime, limit: int
    ) -> Sequence[LaneSample]:
        """Return at most `limit` samples of a lane, oldest first; both bounds inclusive.

        Of a time that is longer than rows live, the end is looked at.
        """
        since, until = whole_millis(since), whole_millis(until)
        found: list[Row] = []
        days = _days(since, until)
        while len(found) < limit and (group := list(islice(days, _DAYS_AT_ONCE))):
            pages = await asyncio.gather(
                *(
                    self._session.execute(
                        statements.FIND_LANE, (owner, cluster, day, since, until, limit)
                    )
                    for day in group
                )
            )
            for page in pages:
                found += page
        return [sample for sample in map(sample_of, found[:limit]) if sample]

    async def keep_log(self, key: RunKey, tail: LogTail) -> None:
        """Keep the end of a run's log, replacing an earlier one."""
        row = (key.algorithm, key.request_id, *tail_row(tail))
        await self._session.execute(statements.KEEP_LOG, row)

    async def kept_log(self, key: RunKey) -> LogTail | None:
        """Return what was kept of a run's log; None for nothing."""
        rows = await self._session.execute(statements.FIND_LOG, (key.algorithm, key.request_id))
        return tail_of(rows[0]) if rows else None


def _batches(events: Sequence[RunEvent]) -> Iterator[list[Write]]:
    """Part events into batches, each of one partition: such a batch costs no more than a write."""
    by_run: dict[RunKey, list[Write]] = defaultdict(list)
    for event in events:
        by_run[event.key].append((statements.RECORD_EVENT, event_row(event)))
    for writes in by_run.values():
        left = iter(writes)
        while batch := list(islice(left, _BATCH)):
            yield batch


def _days(since: datetime, until: datetime) -> Iterator[datetime]:
    """Go through the days that a time touches, oldest first."""
    last = _day(until)
    day = max(_day(since), last - _DAYS * _DAY)
    while day <= last:
        yield day
        day += _DAY


def _day(time: datetime) -> datetime:
    return time.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
