"""The port `LeaseStore` in a SQLite file."""

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from nexus_core.adapters.sqlite import statements
from nexus_core.adapters.sqlite.database import SqliteDatabase
from nexus_core.adapters.sqlite.rows import lease_of, micros
from nexus_core.domain.checkpoint import Lease


class SqliteLeaseStore:
    """Keeps one row a scheduler; see the port for what it promises."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def renew(self, lease: Lease) -> None:
        """Record a lease, replacing the owner's earlier one. Repeating it is harmless."""
        row = (lease.owner, lease.callback_url, micros(lease.expires_at))

        def renew(cursor: sqlite3.Cursor) -> None:
            cursor.execute(statements.RENEW_LEASE, row)

        await self._database.write(renew)

    async def release(self, owner: str, at: datetime) -> None:
        """Let a lease expire now, so that others may take over at once. Idempotent."""
        row = (micros(at), owner)

        def release(cursor: sqlite3.Cursor) -> None:
            cursor.execute(statements.RELEASE_LEASE, row)

        await self._database.write(release)

    async def alive(self, at: datetime) -> Sequence[Lease]:
        """Return all leases that have not expired by a time."""
        return await self._listed(statements.FIND_LIVING_LEASES, at)

    async def expired(self, at: datetime) -> Sequence[Lease]:
        """Return all leases that have expired by a time, that very time included."""
        return await self._listed(statements.FIND_EXPIRED_LEASES, at)

    async def _listed(self, statement: str, at: datetime) -> list[Lease]:
        row = (micros(at),)
        return await self._database.list(
            lambda cursor: list(map(lease_of, cursor.execute(statement, row)))
        )
