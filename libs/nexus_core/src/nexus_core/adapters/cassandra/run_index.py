"""The port `RunIndex` in Cassandra."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar, cast

from nexus_core.adapters.cassandra import statements
from nexus_core.adapters.cassandra.adopter import Adopter
from nexus_core.adapters.cassandra.fences import is_fence
from nexus_core.adapters.cassandra.finished_runs import FinishedRuns
from nexus_core.adapters.cassandra.lookups import Lookups
from nexus_core.adapters.cassandra.merged_pages import Entry, Place, merged_page
from nexus_core.adapters.cassandra.open_runs import EARLIEST, LATEST, OpenRuns
from nexus_core.adapters.cassandra.rows import (
    is_left_over,
    millis_above,
    open_run_of,
    summary_of,
    summary_of_checkpoint,
)
from nexus_core.adapters.cassandra.session import CqlSession, Row, Statement
from nexus_core.adapters.cassandra.tidier import Tidier
from nexus_core.domain.checkpoint import Checkpoint, OpenRun, RunCursor, RunFilter, RunSummary
from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import FINISHED_STAGES, Stage

T = TypeVar("T")

_ALL_STAGES = frozenset(Stage)


class CassandraRunIndex:
    """Looks runs up in tables that lead to them, and asks each checkpoint what it is now."""

    def __init__(
        self,
        session: CqlSession,
        lookups: Lookups,
        *,
        open_runs: OpenRuns,
        finished: FinishedRuns,
        tidier: Tidier,
        adopter: Adopter | None,
    ) -> None:
        self._session = session
        self._lookups = lookups
        self._open_runs = open_runs
        self._finished = finished
        self._tidier = tidier
        self._adopter = adopter

    async def tagged(self, tag: str) -> Sequence[Checkpoint]:
        """Return all runs with a tag, newest first; none for the empty tag, which is no tag."""
        found = await self._tagged(tag) if tag else []
        return sorted(found, key=lambda run: (run.received_at, run.id), reverse=True)

    async def _tagged(self, tag: str) -> list[Checkpoint]:
        return [
            run
            for run in await self._lookups.tagged(tag)
            if not is_fence(run.lifecycle_stage, run.algorithm_failure_cause)
        ]

    async def children(self, parent: RunKey) -> Sequence[RunKey]:
        """Return the runs whose parent is this one, in any stage."""
        values = (parent.algorithm, parent.request_id)
        rows = await self._session.execute(statements.FIND_CHILDREN, values)
        return [RunKey(*cast("tuple[str, str]", row)) for row in rows]

    async def runs(
        self,
        where: RunFilter,
        limit: int,
        after: RunCursor | None = None,
    ) -> Sequence[RunSummary]:
        """Return at most `limit` runs, newest first, that come after the cursor in that order.

        Runs that finished lately may still be filed as open, so those are always looked through.
        """
        place = _upper_bound(where.received_until, after)
        since = EARLIEST if where.received_from is None else millis_above(where.received_from)
        if where.tag:
            found = map(summary_of_checkpoint, await self._tagged(where.tag))
            chosen = [one for one in found if _chosen(one, where) and since <= one.received_at]
            in_order = sorted(chosen, key=_place, reverse=True)
            return [one for one in in_order if _place(one) < place][:limit]
        stages = (where.stages or _ALL_STAGES) & FINISHED_STAGES
        algorithm = where.algorithm or None
        sources = [
            *await self._open_runs.newest_first(since, algorithm),
            *self._finished.newest_first(stages, algorithm, since),
        ]

        async def resolve(entries: Sequence[Entry]) -> list[RunSummary | None]:
            rows = await self._look_at(statements.FIND_SUMMARY, entries)
            found = [summary_of(row) if row else None for row in rows]
            return [one if one and _chosen(one, where) else None for one in found]

        return await merged_page(sources, place, limit, resolve, newest_first=True)

    async def open_runs(
        self,
        cluster: str,
        received_before: datetime,
        limit: int,
        after: RunCursor | None = None,
    ) -> Sequence[OpenRun]:
        """Return unfinished runs for a cluster, oldest first, that were received before a time.

        Runs without a buffered Job are those of the cluster with the empty name. Who turns to the
        first page tidies up on the way, and files what strangers accepted, if asked to.
        """
        if after is None:
            if self._adopter is not None:
                await self._adopter.adopt(cluster)
            await self._tidier.tidy(cluster, self._stages)
        before = millis_above(received_before)
        sources = await self._open_runs.oldest_first(cluster, before)

        async def resolve(entries: Sequence[Entry]) -> list[OpenRun | None]:
            found = await self._open(entries)
            return [one if one and not one.stage.finished else None for one in found]

        return await merged_page(sources, _lower_bound(after), limit, resolve, newest_first=False)

    async def buffered_by(
        self,
        owner: str,
        limit: int,
        after: RunCursor | None = None,
        cluster: str | None = None,
    ) -> Sequence[OpenRun]:
        """Return the `BUFFERED` runs of one scheduler, oldest first; for one cluster or all."""
        sources = await self._open_runs.oldest_first(cluster, LATEST, owner)

        async def resolve(entries: Sequence[Entry]) -> list[OpenRun | None]:
            found = await self._open(entries)
            return [one if one and one.stage is Stage.BUFFERED else None for one in found]

        return await merged_page(sources, _lower_bound(after), limit, resolve, newest_first=False)

    async def _open(self, entries: Sequence[Entry]) -> list[OpenRun | None]:
        rows = await self._look_at(statements.FIND_OPEN_RUN, entries)
        return [open_run_of(row) if row else None for row in rows]

    async def _stages(self, keys: Sequence[RunKey]) -> list[Stage | None]:
        """Return the stage of each run; None where there is none, or no more than its rest."""
        rows = await asyncio.gather(
            *(
                self._session.execute(
                    statements.FIND_STAGE_AND_CAUSE, (key.algorithm, key.request_id)
                )
                for key in keys
            )
        )
        return [
            None
            if not row or row[0][0] is None or is_fence(*row[0])
            else Stage(cast("str", row[0][0]))
            for row in rows
        ]

    async def _look_at(self, statement: Statement, entries: Sequence[Entry]) -> list[Row | None]:
        """Read the checkpoint of each entry; None where there is none."""
        found = await asyncio.gather(
            *(
                self._session.execute(statement, (entry.algorithm, entry.request_id))
                for entry in entries
            )
        )
        return [rows[0] if rows and not is_left_over(rows[0]) else None for rows in found]


def _chosen(run: RunSummary, where: RunFilter) -> bool:
    return (
        (not where.algorithm or run.key.algorithm == where.algorithm)
        and (not where.stages or run.stage in where.stages)
        and not is_fence(run.stage, run.cause)
    )


def _lower_bound(after: RunCursor | None) -> Place:
    """Return the place that a page, oldest first, comes after."""
    return Place(EARLIEST, "") if after is None else Place(after.received_at, after.request_id)


def _upper_bound(received_until: datetime | None, after: RunCursor | None) -> Place:
    """Return the place that a page, newest first, comes after: the time's or the cursor's."""
    by_time = Place(LATEST if received_until is None else millis_above(received_until), "")
    return by_time if after is None else min(by_time, Place(after.received_at, after.request_id))


def _place(run: RunSummary) -> Place:
    return Place(run.received_at, run.key.request_id)
