"""Filing many open runs together, in a part of their own."""

from collections.abc import Iterable, Iterator
from itertools import islice

from nexus_core.adapters.cassandra.first_wins import FirstWins
from nexus_core.adapters.cassandra.merged_pages import Entry
from nexus_core.adapters.cassandra.open_parts import Part, PartRegister
from nexus_core.adapters.cassandra.session import CqlSession, Write
from nexus_core.adapters.cassandra.statements import FirstWrites

_BATCH = 32
"""Entries filed at once; all are of one partition."""


class Filing:
    """Makes parts that nothing is added to later."""

    def __init__(
        self,
        session: CqlSession,
        register: PartRegister,
        writes: FirstWrites,
        order: FirstWins | None,
    ) -> None:
        self._session = session
        self._register = register
        self._writes = writes
        self._order = order

    async def file(self, cluster: str, owner: str, runs: Iterable[Entry]) -> None:
        """Put runs into a new part, which is listed when all of them are in it."""
        part = self._register.named(cluster, owner)
        writes = self._entries(part, runs)
        while batch := list(islice(writes, _BATCH)):
            await self._session.batch(batch)
        await self._register.list_part(part)

    def _entries(self, part: Part, runs: Iterable[Entry]) -> Iterator[Write]:
        stamp = () if self._order is None else (self._order.next(),)
        for run in runs:
            values = (part.cluster, part.name, run.received_at, run.request_id, run.algorithm)
            yield self._writes.open_run, (*values, *stamp)
