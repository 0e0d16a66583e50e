"""The port `Journal` in a SQLite file."""

import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta

from nexus_core.adapters.sqlite import statements
from nexus_core.adapters.sqlite.database import SqliteDatabase
from nexus_core.adapters.sqlite.rows import (
    event_of,
    event_row,
    sample_of,
    sample_row,
    tail_of,
    tail_row,
    whole_millis,
)
from nexus_core.domain.journal import LaneSample, LogTail, RunEvent
from nexus_core.domain.names import RunKey
from nexus_core.ports.clock import Clock

_SAMPLES_KEPT_FOR = timedelta(days=30)
"""As long as servers keep whole runs; what waited at that time was started or given up long ago."""


class SqliteJournal:
    """Keeps events, samples and ends of logs; see the port for what it promises.

    The clock says which samples are too old to be kept.
    """

    def __init__(self, database: SqliteDatabase, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def record(self, events: Sequence[RunEvent]) -> None:
        """Keep events, of any runs. Idempotent: the same event replaces itself."""
        rows = list(map(event_row, events))
        if not rows:
            return

        def record(cursor: sqlite3.Cursor) -> None:
            cursor.executemany(statements.RECORD_EVENT, rows)

        await self._database.write(record)

    async def events(self, key: RunKey) -> Sequence[RunEvent]:
        """Return what was recorded of a run, oldest first."""
        row = (key.algorithm, key.request_id)
        rows = await self._database.list(
            lambda cursor: cursor.execute(statements.FIND_EVENTS, row).fetchall()
        )
        return [event for event in map(event_of, rows) if event]

    async def record_lane(self, sample: LaneSample) -> None:
        """Keep a sample of a lane. Idempotent for the same owner, cluster and time."""
        row = sample_row(sample)
        too_old = (whole_millis(self._clock.now() - _SAMPLES_KEPT_FOR),)

        def record(cursor: sqlite3.Cursor) -> None:
            cursor.execute(statements.FORGET_LANE_SAMPLES, too_old)
            cursor.execute(statements.RECORD_LANE, row)

        await self._database.write(record)

    async def lane(
        self, owner: str, cluster: str, since: datetime, until: datetime, limit: int
    ) -> Sequence[LaneSample]:
        """Return at most `limit` samples of a lane, oldest first; both bounds inclusive."""
        row = (owner, cluster, whole_millis(since), whole_millis(until), limit)
        rows = await self._database.list(
            lambda cursor: cursor.execute(statements.FIND_LANE, row).fetchall()
        )
        return [sample for sample in map(sample_of, rows) if sample]

    async def keep_log(self, key: RunKey, tail: LogTail) -> None:
        """Keep the end of a run's log, replacing an earlier one."""
        row = tail_row(key, tail)

        def keep(cursor: sqlite3.Cursor) -> None:
            cursor.execute(statements.KEEP_LOG, row)

        await self._database.write(keep)

    async def kept_log(self, key: RunKey) -> LogTail | None:
        """Return what was kept of a run's log; None for nothing."""
        row = (key.algorithm, key.request_id)
        found = await self._database.look_up(
            lambda cursor: cursor.execute(statements.FIND_LOG, row).fetchall()
        )
        return tail_of(found[0]) if found else None
