"""Several processes on one file, and one that dies."""

import asyncio
import os
import sqlite3
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

from nexus_core.adapters.sqlite.checkpoint_store import SqliteCheckpointStore
from nexus_core.adapters.sqlite.database import SqliteDatabase
from nexus_core.aio.clock import SystemClock
from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import Stage, StageChange
from support.runs import LONG_AGO, a_buffered_job, a_checkpoint

HERE = Path(__file__).parent
OPENERS = 5


async def start(program: str, path: Path) -> Process:
    environment = os.environ | {"PYTHONPATH": str(HERE.parents[1])}
    return await asyncio.create_subprocess_exec(
        sys.executable, str(HERE / program), str(path), stdin=PIPE, stdout=PIPE, env=environment
    )


async def test_what_was_accepted_survives_a_killed_process(path: Path) -> None:
    child = await start("accept_until_killed.py", path)
    assert child.stdout is not None
    accepted = [await child.stdout.readline() for _ in range(100)]
    child.kill()
    # What was said between the last line read and the death was said truly too.
    accepted += (await child.stdout.read()).splitlines(keepends=True)
    await child.wait()

    async with SqliteDatabase.open(path) as database:
        store = SqliteCheckpointStore(database, SystemClock())
        for line in accepted:
            if not line.endswith(b"\n"):
                continue
            run = a_checkpoint(id=line.decode().strip())
            found = await store.find(run.key)
            assert found is not None
            assert found.lifecycle_stage is Stage.RUNNING
            assert await store.find_job(run.key) == a_buffered_job(run)


async def test_what_was_written_when_the_process_was_killed_is_whole_or_absent(path: Path) -> None:
    child = await start("accept_until_killed.py", path)
    assert child.stdout is not None
    await child.stdout.readline()
    # It writes all the time, so one transaction or another is cut off in its middle.
    child.kill()
    await child.communicate()

    connection = sqlite3.connect(path)
    runs, jobs, keys = (
        {request_id for (request_id,) in connection.execute(statement)}
        for statement in (
            "SELECT id FROM checkpoints",
            "SELECT id FROM submission_buffer JOIN checkpoints USING (run)",
            "SELECT request_id FROM idempotency_keys",
        )
    )
    connection.close()
    assert runs
    assert runs == jobs == keys


async def test_processes_that_open_a_new_file_at_once_all_succeed(path: Path) -> None:
    children = [await start("open_once.py", path) for _ in range(OPENERS)]
    for child in children:
        assert child.stdout is not None
        await child.stdout.readline()

    await asyncio.gather(*(child.communicate(b"go\n") for child in children))

    assert [child.returncode for child in children] == [0] * OPENERS
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM checkpoints").fetchall() == [(OPENERS,)]
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


async def test_databases_open_on_one_file_see_each_others_writes_at_once(path: Path) -> None:
    async with SqliteDatabase.open(path) as one, SqliteDatabase.open(path) as other:
        here = SqliteCheckpointStore(one, SystemClock())
        there = SqliteCheckpointStore(other, SystemClock())
        for _ in range(20):
            run = a_checkpoint()
            await here.accept(run, None)
            assert await there.find(run.key) == run


async def test_of_two_databases_that_race_to_finish_a_run_one_is_told_that_it_did(
    path: Path,
) -> None:
    async with SqliteDatabase.open(path) as one, SqliteDatabase.open(path) as other:
        stores = [SqliteCheckpointStore(each, SystemClock()) for each in (one, other)]
        runs = [a_checkpoint() for _ in range(20)]
        for run in runs:
            await stores[0].accept(run, None)

        async def race(key: RunKey) -> int:
            ends = (Stage.COMPLETED, Stage.CANCELLED)
            advances = await asyncio.gather(
                *(
                    store.advance(key, StageChange(to=end, at=LONG_AGO))
                    for store, end in zip(stores, ends, strict=True)
                )
            )
            return sum(advance.applied for advance in advances)

        assert await asyncio.gather(*(race(run.key) for run in runs)) == [1] * len(runs)
