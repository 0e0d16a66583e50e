"""The port `Retention` in Cassandra.

Partitions of a run's own are dropped whole, rows that lead to it one by one, and its checkpoint
last, by a transaction. Nothing is deleted at the negative time of first writes: see `first_write`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import cast

from nexus_core.adapters.cassandra import statements
from nexus_core.adapters.cassandra.endings import Endings
from nexus_core.adapters.cassandra.finished_runs import unlisting
from nexus_core.adapters.cassandra.lookups import Lookups
from nexus_core.adapters.cassandra.merged_pages import Entry
from nexus_core.adapters.cassandra.rows import whole_millis
from nexus_core.adapters.cassandra.session import CqlSession, Row, Write
from nexus_core.domain.names import RunKey
from nexus_core.domain.retirement import Ending, EndingPlace, Kept
from nexus_core.domain.stages import FINISHED_STAGES, Stage

_AT_ONCE = 8
"""Runs that are removed side by side; all others who use the session go on beside them."""

_DROPPED = "endings"
"""The kind of place that remembers how far endings were dropped."""


class CassandraRetention:
    """Walks the endings of runs; see the port for what it promises."""

    def __init__(self, session: CqlSession, endings: Endings, lookups: Lookups) -> None:
        self._session = session
        self._endings = endings
        self._lookups = lookups

    async def ended(
        self, before: datetime, limit: int, after: EndingPlace | None = None
    ) -> Sequence[Ending]:
        """Return at most `limit` runs that ended before a time, first the first, after a place.

        The time is that of the sweep which found it. Runs of the Go implementation are among them
        once they were adopted.
        """
        return await self._endings.page(before, limit, after)

    async def place(self, of: Kept) -> EndingPlace | None:
        """Return how far the removal of something has come; None for not begun."""
        return await self._place(of.value)

    async def move_on(self, of: Kept, to: EndingPlace) -> None:
        """Remember how far it has come. Idempotent."""
        await self._move_on(of.value, to)

    async def remove_jobs(self, keys: Sequence[RunKey]) -> None:
        """Remove the buffered Jobs of finished runs, each a partition. Idempotent."""
        await _side_by_side(keys, self._remove_job)

    async def remove_records(self, keys: Sequence[RunKey]) -> None:
        """Remove all that is recorded of finished runs: a read, a batch and a transaction each.

        Raises:
            UnavailableError: it is unknown how far it came; repeating is harmless.
        """
        await _side_by_side(keys, self._remove_record)

    async def tidy(self, done_before: datetime | None, now: datetime) -> None:  # noqa: ARG002 - the port's
        """Drop minutes of endings. Leases and idempotency keys go with their own times."""
        if done_before is None:
            return
        dropped = await self._place(_DROPPED)
        come = await self._endings.drop(dropped.at if dropped else None, done_before)
        if dropped is None or come > dropped.at:
            await self._move_on(_DROPPED, EndingPlace(come))

    async def expiry(self) -> timedelta | None:
        """Return the time to live of checkpoints, which people may have changed on the server."""
        rows = await self._session.execute(statements.FIND_EXPIRY, (self._session.keyspace,))
        seconds = cast("int", rows[0][0] or 0) if rows else 0
        return timedelta(seconds=seconds) if seconds else None

    async def _place(self, kind: str) -> EndingPlace | None:
        rows = await self._session.execute(statements.FIND_PLACE, (kind,))
        return EndingPlace(cast("datetime", rows[0][0]), str(rows[0][1] or "")) if rows else None

    async def _move_on(self, kind: str, to: EndingPlace) -> None:
        # Cut off and not rounded up: a place that is too early is only looked at again.
        await self._session.execute(statements.REMEMBER_PLACE, (kind, whole_millis(to.at), to.mark))

    async def _remove_job(self, key: RunKey) -> None:
        await self._session.execute(statements.REMOVE_JOB, (key.algorithm, key.request_id))

    async def _remove_record(self, key: RunKey) -> None:
        values = (key.algorithm, key.request_id)
        rows = await self._session.execute(statements.FIND_WHAT_LEADS_TO_A_RUN, values)
        # A stage that we don't know, others may have written; their time to live ends such rows.
        if rows and rows[0][0] is not None and rows[0][0] not in FINISHED_STAGES:
            return
        # The row in its parent's list of children stays, and goes with that: who meets it finds no
        # run. It may be in the list of many, none of which is worth a tombstone each.
        own = (
            statements.REMOVE_JOB,
            statements.REMOVE_CHILDREN,
            statements.REMOVE_EVENTS,
            statements.REMOVE_LOG,
        )
        removals: list[Write] = [(statement, values) for statement in own]
        await self._session.batch([*removals, *self._leading_to(key, rows)])
        # Last: what leads to a run can only be found while its checkpoint is there.
        if rows:
            await self._session.apply(statements.REMOVE_CHECKPOINT, values)

    def _leading_to(self, key: RunKey, rows: Sequence[Row]) -> list[Write]:
        """Return what removes the rows by which a run is found."""
        removals: list[Write] = []
        for row in rows:
            stage, received_at, host, tag = cast(
                "tuple[str | None, datetime | None, str | None, str | None]", row
            )
            # Rows outlive some of their cells when a time to live has passed between two writes.
            if stage and received_at:
                entry = Entry(received_at, key.request_id, key.algorithm)
                removals += unlisting(entry, Stage(stage))
            if stage:
                removals += self._lookups.removals(key, Stage(stage), host or "", tag or "")
        return removals


async def _side_by_side(
    keys: Sequence[RunKey], remove: Callable[[RunKey], Awaitable[None]]
) -> None:
    waiting = iter(keys)
    while some := list(islice(waiting, _AT_ONCE)):
        await asyncio.gather(*map(remove, some))
