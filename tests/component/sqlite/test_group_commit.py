"""How writes that come together are kept together, and fail apart."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from nexus_core.adapters.sqlite.batches import Operation
from nexus_core.adapters.sqlite.checkpoint_store import SqliteCheckpointStore
from nexus_core.adapters.sqlite.database import SqliteDatabase
from nexus_core.domain.checkpoint import IdempotencyKey
from nexus_core.domain.errors import InvalidInputError, UnavailableError
from support.clock import ManualClock
from support.runs import a_checkpoint


@asynccontextmanager
async def one_batch(database: SqliteDatabase) -> AsyncIterator[asyncio.TaskGroup]:
    """Let the writes that tasks of the group begin be one batch: hold the writer until all wait."""
    release, held = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def hold(_: sqlite3.Cursor) -> None:
        loop.call_soon_threadsafe(held.set)
        release.wait(10)

    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(database.write(hold), name="holder")
            await held.wait()
            yield tasks
            await asyncio.sleep(0)
            release.set()
    finally:
        release.set()


def insert(owner: str) -> Operation[None]:
    def operation(cursor: sqlite3.Cursor) -> None:
        cursor.execute("INSERT INTO leases VALUES (?, '', 0)", (owner,))

    return operation


def owners(cursor: sqlite3.Cursor) -> list[str]:
    return [owner for (owner,) in cursor.execute("SELECT owner FROM leases ORDER BY owner")]


async def outcome(database: SqliteDatabase, operation: Operation[object]) -> object:
    try:
        return await database.write(operation)
    except Exception as error:  # noqa: BLE001 - whatever it is, the test looks at it
        return error


async def test_writes_that_wait_together_are_one_transaction(
    database: SqliteDatabase, path: Path
) -> None:
    def insert_and_look_from_outside(owner: str) -> Operation[int]:
        def operation(cursor: sqlite3.Cursor) -> int:
            insert(owner)(cursor)
            outside = sqlite3.connect(path)
            ((committed,),) = outside.execute("SELECT count(*) FROM leases").fetchall()
            outside.close()
            return int(committed)

        return operation

    async with one_batch(database) as tasks:
        writes = [
            tasks.create_task(database.write(insert_and_look_from_outside(f"{number}")))
            for number in range(8)
        ]

    assert [write.result() for write in writes] == [0] * 8
    assert len(await database.look_up(owners)) == 8


async def test_an_operation_that_fails_halfway_is_undone_alone(database: SqliteDatabase) -> None:
    def fail_halfway(cursor: sqlite3.Cursor) -> None:
        insert("half")(cursor)
        cursor.execute("INSERT INTO leases VALUES ('half', '', 0)")

    async with one_batch(database) as tasks:
        before = tasks.create_task(outcome(database, insert("before")))
        failing = tasks.create_task(outcome(database, fail_halfway))
        after = tasks.create_task(outcome(database, insert("after")))

    assert isinstance(failing.result(), UnavailableError)
    assert (before.result(), after.result()) == (None, None)
    assert await database.look_up(owners) == ["after", "before"]


async def test_a_mistake_in_one_operation_is_told_to_its_caller_only(
    database: SqliteDatabase,
) -> None:
    def mistaken(_: sqlite3.Cursor) -> None:
        raise ZeroDivisionError

    async with one_batch(database) as tasks:
        failing = tasks.create_task(outcome(database, mistaken))
        fine = tasks.create_task(outcome(database, insert("fine")))

    assert isinstance(failing.result(), ZeroDivisionError)
    assert fine.result() is None
    assert await database.look_up(owners) == ["fine"]


async def test_a_refusal_is_an_answer_like_any_other(database: SqliteDatabase) -> None:
    runs = 0

    def refuse(_: sqlite3.Cursor) -> None:
        raise InvalidInputError("no")

    def count(_: sqlite3.Cursor) -> int:
        nonlocal runs
        runs += 1
        return runs

    async with one_batch(database) as tasks:
        refused = tasks.create_task(outcome(database, refuse))
        counted = tasks.create_task(outcome(database, count))

    assert isinstance(refused.result(), InvalidInputError)
    assert counted.result() == 1, "the batch was not run again"


async def test_when_the_commit_fails_nobody_is_told_that_it_was_kept(
    database: SqliteDatabase,
) -> None:
    # A broken promise that SQLite checks at the commit, and not before.
    def break_at_commit(cursor: sqlite3.Cursor) -> None:
        cursor.execute("INSERT INTO orphan VALUES (1)")

    def prepare(cursor: sqlite3.Cursor) -> None:
        cursor.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
        cursor.execute(
            "CREATE TABLE orphan (parent REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)"
        )

    await database.write(prepare)
    await enforce_references(database)

    async with one_batch(database) as tasks:
        writes = [tasks.create_task(outcome(database, insert(f"{number}"))) for number in range(4)]
        writes.append(tasks.create_task(outcome(database, break_at_commit)))

    assert all(isinstance(write.result(), UnavailableError) for write in writes)
    assert await database.look_up(owners) == []
    await database.write(insert("next"))
    assert await database.look_up(owners) == ["next"]


async def enforce_references(database: SqliteDatabase) -> None:
    def enforce(cursor: sqlite3.Cursor) -> None:
        # The setting can only be changed between transactions.
        cursor.execute("COMMIT")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("BEGIN")

    await database.write(enforce)


async def test_a_full_disk_is_told_to_everyone_and_over_when_there_is_room(
    database: SqliteDatabase, store: SqliteCheckpointStore, path: Path
) -> None:
    def limit_pages(pages: int) -> Operation[None]:
        def limit(cursor: sqlite3.Cursor) -> None:
            cursor.execute(f"PRAGMA max_page_count = {pages}").fetchall()

        return limit

    big = a_checkpoint(algorithm_failure_details="x" * 1_000_000)
    await database.write(limit_pages(50))

    with pytest.raises(UnavailableError, match="the disk is full") as refusal:
        await store.accept(big, None)
    assert str(path) in str(refusal.value)
    assert await store.find(big.key) is None

    await database.write(limit_pages(1_000_000))
    await store.accept(big, None)
    assert await store.find(big.key) == big


async def test_another_process_that_keeps_the_file_locked_is_waited_for_and_then_told(
    path: Path, clock: ManualClock
) -> None:
    async with SqliteDatabase.open(path, busy_seconds=0.05) as database:
        store = SqliteCheckpointStore(database, clock)
        run = a_checkpoint()
        await store.accept(run, None)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(UnavailableError, match="locked") as refusal:
            await store.retag(run.key, "new", clock.now())
        with pytest.raises(UnavailableError, match="locked"):
            await store.ping()
        assert refusal.value.retry_after == 1
        assert await store.find(run.key) == run, "readers are not held up"

        other.execute("ROLLBACK")
        other.close()
        assert await store.retag(run.key, "new", clock.now())


async def test_a_cancelled_caller_leaves_the_rest_of_its_batch_alone(
    database: SqliteDatabase,
) -> None:
    async with one_batch(database) as tasks:
        cut_off = tasks.create_task(database.write(insert("cut-off")))
        others = [tasks.create_task(database.write(insert(f"{number}"))) for number in range(4)]
        await asyncio.sleep(0)
        cut_off.cancel()

    assert cut_off.cancelled()
    assert [other.result() for other in others] == [None] * 4
    assert set(await database.look_up(owners)) >= {"0", "1", "2", "3"}


async def test_expired_idempotency_keys_do_not_pile_up(
    database: SqliteDatabase, store: SqliteCheckpointStore, clock: ManualClock
) -> None:
    def held(cursor: sqlite3.Cursor) -> int:
        ((count,),) = cursor.execute("SELECT count(*) FROM idempotency_keys").fetchall()
        return int(count)

    for number in range(300):
        key = IdempotencyKey(
            algorithm="hello-world",
            key=f"{number}",
            fingerprint="",
            expires_at=clock.now() + timedelta(seconds=10),
        )
        await store.accept(a_checkpoint(), None, key)
        await clock.advance(1)

    assert await database.look_up(held) <= 11
