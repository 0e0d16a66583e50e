"""Finding runs by tag and host where there are no indexes: through tables of their own.

Whatever leads to a run by tag or host is checked against its checkpoint, so a row that is left over
never lies. Timestamps are chosen so that what comes later in a run's life wins, by no matter whose
clock: a run is once in a stage and never again, so rows by host are first added with a timestamp
that any removal beats; rows by tag take theirs from the transactions that change the tag.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import cast

from nexus_core.adapters.cassandra import statements
from nexus_core.adapters.cassandra.afterwork import Afterwork
from nexus_core.adapters.cassandra.errors import OutcomeUnknownError
from nexus_core.adapters.cassandra.first_wins import FirstWins
from nexus_core.adapters.cassandra.lookups_by_index import retagged
from nexus_core.adapters.cassandra.rows import checkpoint_of, is_left_over, whole_millis
from nexus_core.adapters.cassandra.session import CqlSession, Write
from nexus_core.adapters.cassandra.statements import FirstWrites
from nexus_core.domain.checkpoint import Checkpoint
from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import OPEN_STAGES, SOURCES, Stage

_PAGE = 500
"""Runs of a tag that are looked at at once."""

_PORTION = 50
"""Runs whose rows are asked for at once; Keyspaces takes a hundred."""

_TRIES = 8
"""How often a tag is changed anew because somebody else changed it at the same time."""


class TableLookups:
    """Keeps `checkpoints_by_tag` and `checkpoints_by_host`."""

    def __init__(
        self,
        session: CqlSession,
        writes: FirstWrites,
        order: FirstWins | None,
        afterwork: Afterwork,
    ) -> None:
        self._session = session
        self._writes = writes
        self._order = order
        self._afterwork = afterwork

    def first_writes(self, checkpoint: Checkpoint, stamp: Sequence[int]) -> list[Write]:
        """Return the rows of a new run: by host, and by tag if it has one."""
        name = (checkpoint.id, checkpoint.algorithm)
        host = (checkpoint.received_by_host, checkpoint.lifecycle_stage.value)
        found: list[Write] = []
        if checkpoint.received_by_host:
            found.append((self._writes.by_host, (*host, *name, *stamp)))
        if checkpoint.tag:
            found.append((self._writes.by_tag, (checkpoint.tag, *name, *stamp)))
        return found

    async def tagged(self, tag: str) -> list[Checkpoint]:
        """Return all runs with a tag: one read each, after that of the table."""
        found: list[Checkpoint] = []
        async for page in self._session.pages(statements.FIND_BY_TAG, (tag,), page_size=_PAGE):
            rows = await asyncio.gather(
                *(self._session.execute(statements.FIND_CHECKPOINT, key) for key in page)
            )
            found += [checkpoint_of(row[0]) for row in rows if row and not is_left_over(row[0])]
        return [checkpoint for checkpoint in found if checkpoint.tag == tag]

    async def retag(self, key: RunKey, tag: str, at: datetime) -> bool:
        """Give a run another tag; the new row comes before the change and the old goes after.

        Raises:
            UnavailableError: too many others changed it, or it is unknown whether it changed.
        """
        for _ in range(_TRIES):
            found = await self._tag(key)
            if found is None:
                return False
            old, written = found
            # One more than the last transaction on the run: after all that led there, before all
            # that follows, whatever the clocks say.
            stamp = written + 1
            if tag:
                await self._add(tag, key, stamp)
            if await self._change(key, old, tag, at):
                if old and old != tag:
                    await self._remove(old, key, stamp)
                return True
        raise UnavailableError(f"the tag of {key} changes too often", retry_after=1.0)

    async def _tag(self, key: RunKey) -> tuple[str | None, int] | None:
        """Return the tag of a run, and the timestamp of the last transaction on it."""
        values = (key.algorithm, key.request_id)
        alone = self._order is None
        statement = statements.FIND_TAG_ALONE if alone else statements.FIND_TAG
        rows = await self._session.execute(statement, values)
        if not rows or rows[0][0] is None:
            return None
        if alone:
            # Who takes no timestamps may tell none either.
            return cast("str | None", rows[0][1]), 0
        _, tag, written = cast("tuple[str, str | None, int | None]", rows[0])
        # Not below zero, where first writes are: nothing is deleted at a negative time.
        return tag, max(written or 0, 0)

    async def _change(self, key: RunKey, old: str | None, tag: str, at: datetime) -> bool:
        at = whole_millis(at)
        values = (tag or None, at, key.algorithm, key.request_id, old)
        try:
            return (await self._session.apply(statements.RETAG_FROM, values)).applied
        except OutcomeUnknownError:
            if await retagged(self._session, key, tag, at):
                return True
            raise

    async def _add(self, tag: str, key: RunKey, stamp: int) -> None:
        row = (tag, key.request_id, key.algorithm)
        if self._order is None:
            await self._session.execute(statements.ADD_BY_TAG_NOW, row)
        else:
            await self._session.execute(statements.ADD_BY_TAG, (*row, stamp))

    async def _remove(self, tag: str, key: RunKey, stamp: int) -> None:
        if self._order is None:
            await self._session.execute(statements.REMOVE_BY_TAG_NOW, (tag, key.request_id))
        else:
            await self._session.execute(statements.REMOVE_BY_TAG, (stamp, tag, key.request_id))

    def stage_changed(self, key: RunKey, to: Stage) -> None:
        """Move the row by host to its new stage, behind the caller's back.

        Nobody of ours reads it but others who share the tables; a row that was not moved because
        this process died says a stage that its reader finds outdated, until `make_good`.
        """
        self._afterwork.do(f"lookup of {key}", self._move_by_host(key, to))

    async def _move_by_host(self, key: RunKey, to: Stage) -> None:
        rows = await self._session.execute(statements.FIND_HOST, (key.algorithm, key.request_id))
        if not rows or not rows[0][0]:
            return
        host, now = cast("tuple[str, str]", rows[0])
        writes = self._move(host, key, sorted(SOURCES[to]), to)
        # Where it has moved on meanwhile, whoever moved it adds the row.
        await self._session.batch(writes if now == to else writes[:-1])

    async def make_good(self, host: str, finished: Mapping[RunKey, Stage]) -> None:
        """Remove rows that say a finished run of a host was open, and add what they stood for.

        Three reads for so many runs; what is there to remove was left by a process that died, or
        that had too much of it to do.
        """
        left = iter(finished.items() if host else ())
        while portion := dict(islice(left, _PORTION)):
            ids = [key.request_id for key in portion]
            stages = sorted(OPEN_STAGES)
            found = await asyncio.gather(
                *(
                    self._session.execute(statements.FIND_BY_HOST_AMONG, (host, stage.value, ids))
                    for stage in stages
                )
            )
            stale = {
                (cast("str", row[0]), stage)
                for stage, rows in zip(stages, found, strict=True)
                for row in rows
            }
            for key, ended in portion.items():
                outdated = [stage for id_, stage in sorted(stale) if id_ == key.request_id]
                if outdated:
                    await self._session.batch(self._move(host, key, outdated, ended))

    def _move(self, host: str, key: RunKey, outdated: Iterable[Stage], to: Stage) -> list[Write]:
        writes: list[Write] = [
            (statements.REMOVE_BY_HOST, (host, stage.value, key.request_id)) for stage in outdated
        ]
        stamp = () if self._order is None else (self._order.next(),)
        row = (host, to.value, key.request_id, key.algorithm, *stamp)
        return [*writes, (self._writes.by_host, row)]

    def removals(self, key: RunKey, stage: Stage, host: str, tag: str) -> list[Write]:
        """Return what removes the row by tag, and that by host in the stage the run ended in."""
        found: list[Write] = []
        if host:
            found.append((statements.REMOVE_BY_HOST, (host, stage.value, key.request_id)))
        if tag:
            found.append((statements.REMOVE_BY_TAG_NOW, (tag, key.request_id)))
        return found
