"""The port `CheckpointStore` in a SQLite file."""

import sqlite3
from datetime import datetime

from nexus_core.adapters.sqlite import statements
from nexus_core.adapters.sqlite.database import SqliteDatabase
from nexus_core.adapters.sqlite.rows import (
    Row,
    change_row,
    checkpoint_of,
    checkpoint_row,
    micros,
)
from nexus_core.domain.checkpoint import Acceptance, BufferedJob, Checkpoint, IdempotencyKey
from nexus_core.domain.errors import ConflictError
from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import Advance, Stage, StageChange
from nexus_core.ports.clock import Clock


class SqliteCheckpointStore:
    """Keeps checkpoints, buffered Jobs and idempotency keys; see the port for what it promises.

    The clock says which idempotency keys have expired.
    """

    def __init__(self, database: SqliteDatabase, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def accept(
        self,
        checkpoint: Checkpoint,
        job: BufferedJob | None,
        key: IdempotencyKey | None = None,
    ) -> Acceptance:
        """Record a new run, its buffered Job, and its idempotency key, all or nothing.

        A key that this very run holds is a repetition, not a replay: its payload is in use.
        """
        row = checkpoint_row(checkpoint, "" if job is None else job.cluster)
        manifest = None if job is None else job.manifest
        accepted = Acceptance(checkpoint.id)
        if key is None:

            def insert(cursor: sqlite3.Cursor) -> Acceptance:
                _insert(cursor, row, manifest)
                return accepted

            return await self._database.write(insert)

        now = micros(self._clock.now())

        def insert_unless_held(cursor: sqlite3.Cursor) -> Acceptance:
            holder = _holder(cursor, key, now)
            if holder is not None and holder != checkpoint.id:
                return Acceptance(holder, replayed=True)
            if _insert(cursor, row, manifest):
                _hold(cursor, key, checkpoint.id, now)
            return accepted

        return await self._database.write(insert_unless_held)

    async def find(self, key: RunKey) -> Checkpoint | None:
        """Return what is recorded of a run; sees every write that returned before."""

        def find(cursor: sqlite3.Cursor) -> Checkpoint | None:
            row = _one(cursor, statements.FIND_CHECKPOINT, (key.algorithm, key.request_id))
            return None if row is None else checkpoint_of(row)

        return await self._database.look_up(find)

    async def find_job(self, key: RunKey) -> BufferedJob | None:
        """Return the buffered Job of a run."""

        def find(cursor: sqlite3.Cursor) -> BufferedJob | None:
            row = _one(cursor, statements.FIND_JOB, (key.algorithm, key.request_id))
            return None if row is None else BufferedJob(*row)

        return await self._database.look_up(find)

    async def find_submission(self, key: IdempotencyKey) -> Acceptance | None:
        """Return the earlier run that holds an unexpired idempotency key, without writing."""
        now = micros(self._clock.now())
        holder = await self._database.look_up(lambda cursor: _holder(cursor, key, now))
        return None if holder is None else Acceptance(holder, replayed=True)

    async def advance(self, key: RunKey, change: StageChange) -> Advance:
        """Change the stage if, and only if, the stage it is in now allows it."""
        row = change_row(key, change)
        statement = statements.ADVANCE[change.to]

        def advance(cursor: sqlite3.Cursor) -> Advance:
            if cursor.execute(statement, row).rowcount == 1:
                return Advance(applied=True, stage=change.to)
            found = _one(cursor, statements.FIND_STAGE, (key.algorithm, key.request_id))
            return Advance(applied=False, stage=None if found is None else Stage(found[0]))

        return await self._database.write(advance)

    async def retag(self, key: RunKey, tag: str, at: datetime) -> bool:
        """Give a run another tag, in any stage. False when there is no such run."""
        row = (tag, micros(at), key.algorithm, key.request_id)
        return await self._database.write(
            lambda cursor: cursor.execute(statements.RETAG, row).rowcount == 1
        )

    async def ping(self) -> None:
        """Return when the store answers; raise `UnavailableError` when it does not."""
        await self._database.ping()


def _insert(cursor: sqlite3.Cursor, row: Row, manifest: bytes | None) -> bool:
    """Return whether the run is new; of one that was there before, nothing changes."""
    if cursor.execute(statements.INSERT_CHECKPOINT, row).rowcount == 0:
        return False
    if manifest is not None:
        cursor.execute(statements.INSERT_JOB, (cursor.lastrowid, manifest))
    return True


def _holder(cursor: sqlite3.Cursor, key: IdempotencyKey, now: int) -> str | None:
    """Return the id of the run that holds a key; None when the key is free or has expired.

    Raises:
        ConflictError: the key is held under another fingerprint.
    """
    row = _one(cursor, statements.FIND_KEY, (key.algorithm, key.key, now))
    if row is None:
        return None
    request_id, fingerprint = row
    if fingerprint != key.fingerprint:
        raise ConflictError("this idempotency key was used with another request")
    return str(request_id)


def _hold(cursor: sqlite3.Cursor, key: IdempotencyKey, request_id: str, now: int) -> None:
    cursor.execute(statements.FORGET_KEYS, (now,))
    cursor.execute(
        statements.HOLD_KEY,
        (key.algorithm, key.key, key.fingerprint, request_id, micros(key.expires_at)),
    )


def _one(cursor: sqlite3.Cursor, statement: str, parameters: Row) -> Row | None:
    # All rows, though there is at most one: see `batches.Operation`.
    rows = cursor.execute(statement, parameters).fetchall()
    return rows[0] if rows else None
