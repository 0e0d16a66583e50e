"""The port `LeaderElection` in a SQLite file."""

import sqlite3
from datetime import timedelta

from nexus_core.adapters.sqlite import statements
from nexus_core.adapters.sqlite.database import SqliteDatabase
from nexus_core.adapters.sqlite.rows import micros
from nexus_core.ports.clock import Clock


class SqliteLeaderElection:
    """Keeps one row a role; see the port for what it promises.

    A file has no sense of time, so the clock says when a lease has run out: whoever shares a file
    shares a machine, and so its clock. A lease that was written before that clock was set back by
    more than the lease is long counts no more.
    """

    def __init__(self, database: SqliteDatabase, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def lead(self, role: str, candidate: str, duration: timedelta) -> bool:
        """Become the leader of a role, or stay it, for a duration from now.

        Raises:
            UnavailableError: it is unknown whether it happened; repeating is harmless.
        """
        now = self._clock.now()
        row = (role, candidate, micros(now), micros(now + duration))

        def lead(cursor: sqlite3.Cursor) -> bool:
            return cursor.execute(statements.LEAD, row).rowcount == 1

        return await self._database.write(lead)

    async def resign(self, role: str, candidate: str) -> None:
        """Give a role up, so that others may lead at once. Idempotent, by anybody."""

        def resign(cursor: sqlite3.Cursor) -> None:
            cursor.execute(statements.RESIGN, (role, candidate))

        await self._database.write(resign)
