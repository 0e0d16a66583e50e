"""Accepts runs into the file named on the command line, printing each id once it is accepted.

Each has a buffered Job, and its own id as idempotency key.
"""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

from nexus_core.adapters.sqlite.checkpoint_store import SqliteCheckpointStore
from nexus_core.adapters.sqlite.database import SqliteDatabase
from nexus_core.aio.clock import SystemClock
from nexus_core.domain.checkpoint import IdempotencyKey
from nexus_core.domain.stages import Stage, StageChange
from support.runs import LONG_AGO, a_buffered_job, a_checkpoint

NEVER = datetime(9999, 1, 1, tzinfo=UTC)


def its_key(request_id: str) -> IdempotencyKey:
    return IdempotencyKey(algorithm="hello-world", key=request_id, fingerprint="", expires_at=NEVER)


async def accept_without_end(store: SqliteCheckpointStore) -> None:
    while True:
        run = a_checkpoint()
        await store.accept(run, a_buffered_job(run), its_key(run.id))
        await store.advance(run.key, StageChange(to=Stage.RUNNING, at=LONG_AGO))
        sys.stdout.write(f"{run.id}\n")
        sys.stdout.flush()


async def main(path: Path) -> None:
    async with SqliteDatabase.open(path) as database, asyncio.TaskGroup() as tasks:
        store = SqliteCheckpointStore(database, SystemClock())
        for number in range(16):
            tasks.create_task(accept_without_end(store), name=f"writer-{number}")


asyncio.run(main(Path(sys.argv[1])))
