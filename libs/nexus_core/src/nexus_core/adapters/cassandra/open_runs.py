"""Runs that may be open: all that were accepted and are not yet filed as finished.

An entry says only that there was such a run; what it is now, its checkpoint says. So an entry that
came late, came twice or stayed too long never lies, and a change of stage writes nothing here.
"""

from collections.abc import Awaitable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import cast

from nexus_core.adapters.cassandra import statements
from nexus_core.adapters.cassandra.merged_pages import Entry, Place, Source
from nexus_core.adapters.cassandra.open_parts import Part, PartRegister
from nexus_core.adapters.cassandra.session import CqlSession, Row, Statement
from nexus_core.domain.names import RunKey

EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 12, 31, tzinfo=UTC)


class OpenRuns:
    """Reads the entries of open runs, part by part."""

    def __init__(self, session: CqlSession, register: PartRegister) -> None:
        self._session = session
        self._register = register

    async def oldest_first(
        self, cluster: str | None, received_before: datetime, owner: str | None = None
    ) -> list[Source]:
        """Return a source for each part of a cluster or of all, of one owner or of all."""
        parts = await self._parts(cluster, owner)
        return [partial(self._onwards, part, received_before) for part in parts]

    async def newest_first(self, received_from: datetime, algorithm: str | None) -> list[Source]:
        """Return a source for each part of all clusters; of one algorithm's runs or of all."""
        parts = await self._parts(None, None)
        return [partial(self._backwards, part, received_from, algorithm) for part in parts]

    async def keys_of(self, cluster: str, owner: str) -> set[RunKey]:
        """Return all runs that are filed for a cluster under an owner."""
        parts = await self._parts(cluster, owner)
        return {entry.key for part in parts for entry in await self.of_part(part)}

    async def of_part(self, part: Part) -> list[Entry]:
        """Return all entries of a part, oldest first."""
        values = (part.cluster, part.name)
        return _entries(await self._session.execute(statements.READ_PART, values))

    async def _parts(self, cluster: str | None, owner: str | None) -> list[Part]:
        parts = await self._register.parts(await self._register.slots(cluster))
        return [part for part in parts if owner is None or part.owner == owner]

    def _onwards(
        self, part: Part, received_before: datetime, after: Place, size: int
    ) -> Awaitable[list[Entry]]:
        values = (part.cluster, part.name, *after, received_before, size)
        return self._read(statements.READ_PART_ONWARDS, values)

    async def _backwards(
        self, part: Part, received_from: datetime, algorithm: str | None, after: Place, size: int
    ) -> list[Entry]:
        """Read until the page is full of what is asked for, or the part ends."""
        found: list[Entry] = []
        while True:
            values = (part.cluster, part.name, *after, received_from, size)
            page = await self._read(statements.READ_PART_BACKWARDS, values)
            found += [entry for entry in page if algorithm in {None, entry.algorithm}]
            if len(page) < size or len(found) >= size:
                return found[:size]
            after = page[-1].place

    async def _read(
        self, statement: Statement, values: Sequence[str | datetime | int]
    ) -> list[Entry]:
        return _entries(await self._session.execute(statement, values))


def _entries(rows: Sequence[Row]) -> list[Entry]:
    return [
        Entry(cast("datetime", at), cast("str", id_), cast("str", name)) for at, id_, name in rows
    ]
