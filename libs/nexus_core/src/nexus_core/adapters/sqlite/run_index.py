"""The port `RunIndex` in a SQLite file."""

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from nexus_core.adapters.sqlite import statements
from nexus_core.adapters.sqlite.database import SqliteDatabase
from nexus_core.adapters.sqlite.rows import (
    EARLIEST,
    LATEST,
    Row,
    checkpoint_of,
    micros,
    open_run_of,
    summary_of,
)
from nexus_core.domain.checkpoint import Checkpoint, OpenRun, RunCursor, RunFilter, RunSummary
from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import Stage

_ALL_STAGES = frozenset(Stage)

_Place = tuple[int, str]
"""In the order of runs: time received, in microseconds, and id."""

# Before any run, and after any: no id is less than the empty text, no time is that late.
_BEGINNING: _Place = (EARLIEST, "")
_END: _Place = (LATEST, "")


class SqliteRunIndex:
    """Looks runs up in the indexes of the schema; see the port for what it promises."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def tagged(self, tag: str) -> Sequence[Checkpoint]:
        """Return all runs with a tag, newest first; none for the empty tag, which is no tag."""

        def find(cursor: sqlite3.Cursor) -> list[Checkpoint]:
            return list(map(checkpoint_of, cursor.execute(statements.FIND_TAGGED, (tag,))))

        return await self._database.list(find)

    async def children(self, parent: RunKey) -> Sequence[RunKey]:
        """Return the runs whose parent is this one, in any stage."""
        row = (parent.algorithm, parent.request_id)

        def find(cursor: sqlite3.Cursor) -> list[RunKey]:
            return [RunKey(*found) for found in cursor.execute(statements.FIND_CHILDREN, row)]

        return await self._database.list(find)

    async def runs(
        self,
        where: RunFilter,
        limit: int,
        after: RunCursor | None = None,
    ) -> Sequence[RunSummary]:
        """Return at most `limit` runs, newest first, that come after the cursor in that order."""
        stages = where.stages or _ALL_STAGES
        of_algorithm = bool(where.algorithm)
        compose = statements.list_tagged_runs if where.tag else statements.list_runs
        statement = compose(stages, of_algorithm=of_algorithm)
        until, before = _upper_bound(where.received_until, after)
        parameters = {
            "algorithm": where.algorithm,
            "tag": where.tag,
            "since": EARLIEST if where.received_from is None else micros(where.received_from),
            "until": until,
            "before": before,
            "limit": limit,
        }

        def find(cursor: sqlite3.Cursor) -> list[RunSummary]:
            return list(map(summary_of, cursor.execute(statement, parameters)))

        return await self._database.list(find)

    async def open_runs(
        self,
        cluster: str,
        received_before: datetime,
        limit: int,
        after: RunCursor | None = None,
    ) -> Sequence[OpenRun]:
        """Return unfinished runs for a cluster, oldest first, that were received before a time.

        Runs without a buffered Job are those of the cluster with the empty name.
        """
        row = (cluster, micros(received_before), *_lower_bound(after), limit)

        def find(cursor: sqlite3.Cursor) -> list[OpenRun]:
            return list(map(open_run_of, cursor.execute(statements.FIND_OPEN, row)))

        return await self._database.list(find)

    async def buffered_by(
        self,
        owner: str,
        limit: int,
        after: RunCursor | None = None,
        cluster: str | None = None,
    ) -> Sequence[OpenRun]:
        """Return the `BUFFERED` runs of one scheduler, oldest first; for one cluster or all."""
        place = _lower_bound(after)
        row: Row
        if cluster is None:
            statement, row = statements.FIND_BUFFERED, (owner, *place, limit)
        else:
            statement = statements.FIND_BUFFERED_FOR_CLUSTER
            row = (owner, *place, cluster, limit)

        def find(cursor: sqlite3.Cursor) -> list[OpenRun]:
            return list(map(open_run_of, cursor.execute(statement, row)))

        return await self._database.list(find)


def _lower_bound(after: RunCursor | None) -> _Place:
    """Return the place that a page, oldest first, comes after."""
    return _BEGINNING if after is None else _place(after)


def _upper_bound(received_until: datetime | None, after: RunCursor | None) -> _Place:
    """Return the place that a page, newest first, comes after: the time's or the cursor's."""
    by_time = _END if received_until is None else (micros(received_until), "")
    return by_time if after is None else min(by_time, _place(after))


def _place(cursor: RunCursor) -> _Place:
    return micros(cursor.received_at), cursor.request_id
