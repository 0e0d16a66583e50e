"""The port `Retention` in a SQLite file.

Pages that are freed are used again by the runs to come, so that the file stays as large as it was
at its fullest. (Rejected: `auto_vacuum`, which moves pages with every commit and leaves the file in
pieces; `VACUUM` by ourselves, which holds every writer up for as long as copying all of it takes.)
"""

import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import islice

from nexus_core.adapters.sqlite import statements
from nexus_core.adapters.sqlite.database import SqliteDatabase
from nexus_core.adapters.sqlite.rows import EARLIEST, Row, instant, micros
from nexus_core.domain.names import RunKey
from nexus_core.domain.retirement import Ending, EndingPlace, Kept
from nexus_core.domain.stages import Stage

_AT_ONCE = 25
"""Runs removed in one transaction: a millisecond or two, for which an accept may have to wait."""

_LEFTOVERS = 100
"""Expired leases, and keys, that go at a time."""

_LEASE_REMEMBERED_FOR = timedelta(days=7)
"""How long an expired lease still tells whose runs to submit; from then on they are late anyway."""


class SqliteRetention:
    """Finds endings in an index of its own; see the port for what it promises."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def ended(
        self, before: datetime, limit: int, after: EndingPlace | None = None
    ) -> Sequence[Ending]:
        """Return at most `limit` runs that ended before a time, first the first, after a place.

        A finished run changes no more but for its tag; one that is tagged anew ends anew.
        """
        place = (EARLIEST, 0) if after is None else (micros(after.at), int(after.mark or 0))
        row = (micros(before), *place, limit)

        def find(cursor: sqlite3.Cursor) -> list[Ending]:
            return [
                Ending(RunKey(algorithm, id_), EndingPlace(instant(at), str(run)))
                for algorithm, id_, at, run in cursor.execute(statements.FIND_ENDED, row)
            ]

        return await self._database.list(find)

    async def place(self, of: Kept) -> EndingPlace | None:
        """Return how far the removal of something has come; None for not begun."""

        def find(cursor: sqlite3.Cursor) -> list[EndingPlace]:
            rows = cursor.execute(statements.FIND_PLACE, (of.value,))
            return [EndingPlace(instant(at), mark) for at, mark in rows]

        found = await self._database.look_up(find)
        return found[0] if found else None

    async def move_on(self, of: Kept, to: EndingPlace) -> None:
        """Remember how far it has come. Idempotent."""
        row = (of.value, micros(to.at), to.mark)

        def remember(cursor: sqlite3.Cursor) -> None:
            cursor.execute(statements.REMEMBER_PLACE, row)

        await self._database.write(remember)

    async def remove_jobs(self, keys: Sequence[RunKey]) -> None:
        """Remove the buffered Jobs of finished runs. Idempotent."""
        await self._remove(keys, (statements.REMOVE_JOB,))

    async def remove_records(self, keys: Sequence[RunKey]) -> None:
        """Remove all that is recorded of finished runs. Idempotent."""
        await self._remove(keys, statements.REMOVE_RECORD)

    async def tidy(self, done_before: datetime | None, now: datetime) -> None:  # noqa: ARG002 - the port's
        """Remove leases and keys that have expired. What leads to a run here goes with its row."""
        dead = micros(now - _LEASE_REMEMBERED_FOR)

        def remove(cursor: sqlite3.Cursor) -> None:
            cursor.execute(statements.REMOVE_DEAD_LEASES, (dead, _LEFTOVERS))
            cursor.execute(statements.REMOVE_EXPIRED_KEYS, (micros(now), _LEFTOVERS))

        await self._database.write(remove)

    async def expiry(self) -> timedelta | None:
        """Return None: a row stays until it is removed."""
        return None

    async def _remove(self, keys: Sequence[RunKey], removals: Sequence[str]) -> None:
        """Remove something of runs that are not open, in short transactions."""
        waiting = iter(keys)
        while portion := [(key.algorithm, key.request_id) for key in islice(waiting, _AT_ONCE)]:

            def remove(cursor: sqlite3.Cursor, portion: Sequence[Row] = portion) -> None:
                for row in portion:
                    if not _is_open(cursor, row):
                        for removal in removals:
                            cursor.execute(removal, row)

            await self._database.write(remove)


def _is_open(cursor: sqlite3.Cursor, row: Row) -> bool:
    found = cursor.execute(statements.FIND_STAGE, row).fetchall()
    return bool(found) and not Stage(found[0][0]).finished
