"""The port `CheckpointStore` in Cassandra."""

import asyncio
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast

from nexus_core.adapters.cassandra import statements
from nexus_core.adapters.cassandra.errors import OutcomeUnknownError
from nexus_core.adapters.cassandra.fences import is_fence
from nexus_core.adapters.cassandra.first_write import FirstWriter, Insertion
from nexus_core.adapters.cassandra.lookups import Lookups
from nexus_core.adapters.cassandra.rows import (
    change_columns,
    checkpoint_of,
    is_left_over,
    stage_of,
)
from nexus_core.adapters.cassandra.session import CqlSession, Statement
from nexus_core.adapters.cassandra.submissions import Submissions
from nexus_core.domain.checkpoint import Acceptance, BufferedJob, Checkpoint, IdempotencyKey
from nexus_core.domain.errors import InvalidInputError, UnavailableError
from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import SOURCES, Advance, Stage, StageChange
from nexus_core.ports.timekeeper import ToldTime

T = TypeVar("T")

_LONGEST_KEY = 0xFFFF - 0x1FF
"""Bytes of what is looked up by: servers take 65,535 of all parts of a key together."""

_NOBODY = ("-", "-")
"""The key of no run."""

_NOW = Statement("SELECT toTimestamp(now()) FROM system.local")

_TRIES = 3
"""How often a run is tried that others get in the way of, or whose outcome is unknown."""


class CassandraCheckpointStore:
    """Keeps checkpoints, buffered Jobs and idempotency keys; see the port for what it promises.

    A change of stage is one lightweight transaction; accepting is one logged batch, or with an
    idempotency key a batch between two transactions.
    """

    def __init__(
        self, session: CqlSession, writer: FirstWriter, submissions: Submissions, lookups: Lookups
    ) -> None:
        self._session = session
        self._writer = writer
        self._submissions = submissions
        self._lookups = lookups

    async def accept(
        self,
        checkpoint: Checkpoint,
        job: BufferedJob | None,
        key: IdempotencyKey | None = None,
    ) -> Acceptance:
        """Record a new run, its buffered Job, and its idempotency key, all or nothing.

        Raises:
            InvalidInputError: the tag, or the key, is longer than what servers can look up.
        """
        _check_length("tag", checkpoint.tag)
        if key is not None:
            _check_length("idempotency key", key.key)
        if key is None:
            await _to_its_end(self._writer.write(checkpoint, job))
            return Acceptance(checkpoint.id)
        for _ in range(_TRIES):
            claim = await self._submissions.claim(checkpoint.key, key)
            if not claim.mine:
                return Acceptance(claim.holder, replayed=True)
            insertion = await _to_its_end(self._writer.insert(checkpoint, job))
            if insertion is Insertion.FENCED:
                # Somebody took us for dead, and our id is spent. Should they have died since,
                # nobody else frees the key; who holds it by now, the next round finds out.
                await self._submissions.release(checkpoint.key, key)
                continue
            if insertion is Insertion.THERE_BEFORE and claim.fresh:
                await self._submissions.release(checkpoint.key, key)
            return Acceptance(checkpoint.id)
        raise UnavailableError(
            "the run took too long to be recorded, and can't be any more; send it again",
            retry_after=1.0,
        )

    async def find(self, key: RunKey) -> Checkpoint | None:
        """Return what is recorded of a run; sees every write that returned before."""
        rows = await self._session.execute(statements.FIND_CHECKPOINT, _values(key))
        if not rows or is_left_over(rows[0]):
            return None
        checkpoint = checkpoint_of(rows[0])
        fenced = is_fence(checkpoint.lifecycle_stage, checkpoint.algorithm_failure_cause)
        return None if fenced else checkpoint

    async def find_job(self, key: RunKey) -> BufferedJob | None:
        """Return the buffered Job of a run."""
        rows = await self._session.execute(statements.FIND_JOB, _values(key))
        if not rows:
            return None
        cluster, manifest = cast("tuple[str | None, str | None]", rows[0])
        return None if manifest is None else BufferedJob(cluster or "", manifest.encode())

    async def find_submission(self, key: IdempotencyKey) -> Acceptance | None:
        """Return the earlier run that holds an unexpired idempotency key, without writing."""
        holder = await self._submissions.holder(key)
        return None if holder is None else Acceptance(holder, replayed=True)

    async def advance(self, key: RunKey, change: StageChange) -> Advance:
        """Change the stage if, and only if, the stage it is in now allows it.

        Raises:
            UnavailableError: it is unknown whether it changed; repeating is harmless.
        """
        if not SOURCES[change.to]:
            return Advance(applied=False, stage=await self._stage(key))
        unknown: OutcomeUnknownError | None = None
        for _ in range(_TRIES):
            advance: Advance | None
            try:
                advance = await self._change(key, change)
            except OutcomeUnknownError as error:
                unknown, advance = error, None
            if unknown and not (advance and advance.applied):
                # A try before this one may have come late, and be what was in its way.
                advance = await self._settled(key, change)
            if advance is None:
                continue
            if advance.applied:
                self._lookups.stage_changed(key, change.to)
            return advance
        raise unknown or UnavailableError("the checkpoint store contradicts itself")

    async def _change(self, key: RunKey, change: StageChange) -> Advance:
        columns = change_columns(change)
        statement = statements.advance(change.to, tuple(columns))
        outcome = await self._session.apply(statement, (*columns.values(), *_values(key)))
        if outcome.applied:
            return Advance(applied=True, stage=change.to)
        return Advance(applied=False, stage=stage_of(outcome.current))

    async def _settled(self, key: RunKey, change: StageChange) -> Advance | None:
        """Find out about a change whose outcome was unknown; None when it may be tried again.

        A row that holds all that the change would have written was changed by it, or by one that
        is the same in every respect, which makes no difference to anybody. One in a stage that the
        change starts from was not changed yet, and may be later by a try that is still on its way.
        """
        columns = change_columns(change)
        statement = statements.find_columns_serially(tuple(columns))
        rows = await self._session.execute(statement, _values(key))
        if not rows or rows[0][0] is None:
            return Advance(applied=False, stage=None)
        stage, *found = rows[0]
        if stage == change.to.value:
            return Advance(applied=found == list(columns.values()), stage=change.to)
        if stage in SOURCES[change.to]:
            return None
        return Advance(applied=False, stage=Stage(cast("str", stage)))

    async def _stage(self, key: RunKey) -> Stage | None:
        rows = await self._session.execute(statements.FIND_STAGE_AND_CAUSE, _values(key))
        return Stage(cast("str", rows[0][0])) if rows else None

    async def retag(self, key: RunKey, tag: str, at: datetime) -> bool:
        """Give a run another tag, in any stage. False when there is no such run."""
        return await self._lookups.retag(key, tag, at)

    async def ping(self) -> None:
        """Return when as many nodes answer as a run needs; raise `UnavailableError` otherwise."""
        await self._session.execute(statements.FIND_STAGE_AND_CAUSE, _NOBODY)

    async def time(self) -> ToldTime:
        """Return what the clock of a node says."""
        ((now,),) = await self._session.execute(_NOW)
        return ToldTime(cast("datetime", now), timedelta(milliseconds=1))


def _check_length(name: str, text: str) -> None:
    if len(text.encode()) > _LONGEST_KEY:
        raise InvalidInputError(f"the {name} must be at most {_LONGEST_KEY} bytes long")


def _values(key: RunKey) -> tuple[str, str]:
    return key.algorithm, key.request_id


async def _to_its_end(write: Coroutine[Any, Any, T]) -> T:
    """Let a write come to its end before a cancellation takes effect.

    The request is on its way and can't be called back: who is told only after it has ended finds a
    run that is whole, or none. It ends in the session's own time at the latest.
    """
    task = asyncio.create_task(write, name="first write")
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        # Whoever cancelled asks for no answer, so nobody else will look at it.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.wait([task])
        raise
