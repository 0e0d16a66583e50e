"""Writing a new run: its checkpoint, and all that leads to it, all or nothing."""

import asyncio
from collections.abc import Sequence
from enum import Enum

from nexus_core.adapters.cassandra import statements
from nexus_core.adapters.cassandra.endings import ending
from nexus_core.adapters.cassandra.errors import OutcomeUnknownError
from nexus_core.adapters.cassandra.fences import is_fence
from nexus_core.adapters.cassandra.finished_runs import listing
from nexus_core.adapters.cassandra.first_wins import FirstWins
from nexus_core.adapters.cassandra.lookups import Lookups
from nexus_core.adapters.cassandra.merged_pages import Entry
from nexus_core.adapters.cassandra.open_parts import OwnPart, PartRegister
from nexus_core.adapters.cassandra.rows import CHECKPOINT_COLUMNS, checkpoint_row, whole_millis
from nexus_core.adapters.cassandra.session import CqlSession, Value, Write
from nexus_core.adapters.cassandra.statements import FirstWrites
from nexus_core.domain.checkpoint import BufferedJob, Checkpoint
from nexus_core.domain.errors import UnavailableError

_LARGE = 32 * 1024
"""Bytes of text from which a run is not written as one batch.

Servers refuse batches above 50 KiB as they are shipped; a template with many mounts gets there.
"""

_TRIES = 3
"""How often a run is written whose outcome is unknown, or that came too late for its part."""


class Insertion(Enum):
    """What became of a conditional first write."""

    DONE = "done"
    THERE_BEFORE = "there before"
    FENCED = "fenced"


class FirstWriter:
    """Writes new runs.

    With an order, one logged batch of plain writes whose timestamps lose to any transaction does
    it. Without (some stores take no such timestamps), or when it has to be known whether the run is
    new, what leads to the run is written first, and the checkpoint then by a transaction: until
    that has happened there is no run, and what leads to it leads nowhere.
    """

    def __init__(
        self,
        session: CqlSession,
        register: PartRegister,
        lookups: Lookups,
        writes: FirstWrites,
        order: FirstWins | None,
    ) -> None:
        self._session = session
        self._register = register
        self._lookups = lookups
        self._writes = writes
        self._order = order

    async def write(self, checkpoint: Checkpoint, job: BufferedJob | None) -> None:
        """Write a run; one that is there already stays as it is. Idempotent.

        Raises:
            UnavailableError: it is not written, or it is unknown whether it is.
        """
        if self._order is None:
            await self.insert(checkpoint, job)
            return
        for _ in range(_TRIES):
            part = await self._part(checkpoint, job)
            stamp = (self._order.next(),)
            row = checkpoint_row(checkpoint)
            main: Write = (self._writes.checkpoint, (*row, *stamp))
            beside = self._beside(checkpoint, job, part, stamp)
            try:
                await self._write_all(main, beside)
            except OutcomeUnknownError as error:
                unknown: UnavailableError = error
                continue
            if part is None or not self._register.came_too_late(part):
                return
            unknown = UnavailableError("the checkpoint store is too slow", retry_after=1.0)
        raise unknown

    async def insert(self, checkpoint: Checkpoint, job: BufferedJob | None) -> Insertion:
        """Write a run unless something is in its place; say what was there. Idempotent.

        Raises:
            UnavailableError: it is not written, or it is unknown whether it is.
        """
        # Without timestamps that lose, what leads to a run that is there must not be written again.
        insertion = await self._found(checkpoint) if self._order is None else None
        if insertion is not None:
            return insertion
        unsure = False
        for _ in range(_TRIES):
            part = await self._part(checkpoint, job)
            stamp = () if self._order is None else (self._order.next(),)
            await self._write_beside(self._beside(checkpoint, job, part, stamp))
            insertion = insertion or await self._insert(checkpoint)
            if insertion is Insertion.THERE_BEFORE and unsure:
                insertion = Insertion.DONE  # by a try before this one, which came late
            unsure = insertion is None
            if insertion and (part is None or not self._register.came_too_late(part)):
                return insertion
        raise UnavailableError("the checkpoint store is too slow", retry_after=1.0)

    async def _found(self, checkpoint: Checkpoint) -> Insertion | None:
        """Return what is in the place of a run; None for nothing."""
        key = (checkpoint.algorithm, checkpoint.id)
        rows = await self._session.execute(statements.FIND_STAGE_AND_CAUSE, key)
        if not rows:
            return None
        return Insertion.FENCED if is_fence(*rows[0]) else Insertion.THERE_BEFORE

    async def _insert(self, checkpoint: Checkpoint) -> Insertion | None:
        """Return None when it is unknown and the run is not there."""
        row = checkpoint_row(checkpoint)
        try:
            outcome = await self._session.apply(statements.INSERT_CHECKPOINT_ONCE, row)
        except OutcomeUnknownError:
            key = (checkpoint.algorithm, checkpoint.id)
            found = await self._session.execute(statements.FIND_CHECKPOINT_SERIALLY, key)
            if not found:
                return None
            current = dict(zip(CHECKPOINT_COLUMNS, found[0], strict=True))
            fenced = is_fence(current["lifecycle_stage"], current["algorithm_failure_cause"])
            # Whether by this call or an earlier one of the same run: it is there, once.
            return Insertion.FENCED if fenced else Insertion.DONE
        if outcome.applied:
            return Insertion.DONE
        current = dict(outcome.current)
        fenced = is_fence(current.get("lifecycle_stage"), current.get("algorithm_failure_cause"))
        return Insertion.FENCED if fenced else Insertion.THERE_BEFORE

    async def _part(self, checkpoint: Checkpoint, job: BufferedJob | None) -> OwnPart | None:
        """Return the part to file a run in; None for one that is finished as it begins."""
        if checkpoint.lifecycle_stage.finished:
            return None
        cluster = "" if job is None else job.cluster
        return await self._register.newest(cluster, checkpoint.received_by_host)

    def _beside(
        self,
        checkpoint: Checkpoint,
        job: BufferedJob | None,
        part: OwnPart | None,
        stamp: tuple[int, ...],
    ) -> list[Write]:
        """Return all that is written of a run beside its checkpoint."""
        name = (checkpoint.algorithm, checkpoint.id)
        received = whole_millis(checkpoint.received_at)
        writes = self._lookups.first_writes(checkpoint, stamp)
        if job is not None:
            template = job.manifest.decode()
            writes.append((self._writes.job, (*name, job.cluster, template, *stamp)))
        elif stamp:
            # Nulls, so that accepting again adds none. Not a delete: the format of Cassandra 5.0
            # can't hold a partition that was deleted at a negative time, and breaks over it.
            writes.append((self._writes.job, (*name, None, None, *stamp)))
        if part is None:
            entry = Entry(received, checkpoint.id, checkpoint.algorithm)
            writes += listing(entry, checkpoint.lifecycle_stage)
            writes += ending(entry, received)
        else:
            where = (part.part.cluster, part.part.name)
            row: tuple[Value, ...] = (*where, received, checkpoint.id, checkpoint.algorithm)
            writes.append((self._writes.open_run, (*row, *stamp)))
        if parent := checkpoint.parent:
            family = (parent.algorithm_name, parent.request_id, *name)
            writes.append((self._writes.child, (*family, *stamp)))
        return writes

    async def _write_all(self, main: Write, beside: Sequence[Write]) -> None:
        if _size([main, *beside]) < _LARGE:
            await self._session.batch([main, *beside])
        else:
            await self._one_by_one(beside)
            await self._session.execute(*main)

    async def _write_beside(self, beside: Sequence[Write]) -> None:
        if _size(beside) < _LARGE:
            await self._session.batch(beside)
        else:
            await self._one_by_one(beside)

    async def _one_by_one(self, writes: Sequence[Write]) -> None:
        await asyncio.gather(*(self._session.execute(*write) for write in writes))


def _size(writes: Sequence[Write]) -> int:
    return sum(_length(value) for _, values in writes for value in values)


def _length(value: Value) -> int:
    return len(value) if isinstance(value, str) else 8
