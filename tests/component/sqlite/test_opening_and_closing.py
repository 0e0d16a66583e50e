"""How a database opens, what it refuses to open, and how it closes."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from nexus_core.adapters.sqlite import schema
from nexus_core.adapters.sqlite.checkpoint_store import SqliteCheckpointStore
from nexus_core.adapters.sqlite.connection import connect
from nexus_core.adapters.sqlite.database import SqliteDatabase
from nexus_core.aio.clock import SystemClock
from nexus_core.domain.errors import InvalidInputError, NexusError, UnavailableError
from support.runs import a_checkpoint


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        if thread.name.startswith("sqlite-"):
            # A close that was cut off leaves its thread to finish by itself.
            thread.join(timeout=10)
            assert not thread.is_alive()


async def test_what_was_written_is_there_when_opened_again(path: Path) -> None:
    run = a_checkpoint()
    async with SqliteDatabase.open(path) as database:
        await SqliteCheckpointStore(database, SystemClock()).accept(run, None)

    async with SqliteDatabase.open(path) as database:
        assert await SqliteCheckpointStore(database, SystemClock()).find(run.key) == run


async def test_a_closed_database_leaves_one_file(path: Path) -> None:
    async with SqliteDatabase.open(path) as database:
        await SqliteCheckpointStore(database, SystemClock()).accept(a_checkpoint(), None)

    assert [file.name for file in path.parent.iterdir()] == [path.name]


async def test_every_commit_is_synced_to_disk(database: SqliteDatabase) -> None:
    def settings(cursor: sqlite3.Cursor) -> list[object]:
        pragmas = ("journal_mode", "synchronous")
        return [cursor.execute(f"PRAGMA {pragma}").fetchone()[0] for pragma in pragmas]

    full = 2
    assert await database.write(settings) == ["wal", full]


@pytest.mark.parametrize("attempt", range(10))
def test_connections_that_find_a_new_file_at_the_same_moment_agree(
    path: Path, attempt: int
) -> None:
    assert not path.exists(), f"attempt {attempt} begins with no file"
    together = threading.Barrier(8)

    def open_and_look(_: int) -> int:
        together.wait(10)
        connection = connect(path, busy_seconds=10)
        ((tables,),) = connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
        connection.close()
        return int(tables)

    with ThreadPoolExecutor(together.parties) as threads:
        found = set(threads.map(open_and_look, range(together.parties)))

    assert len(found) == 1
    assert found != {0}


# What can't be opened.


def content(path: Path) -> bytes:
    return b"" if path.is_dir() else path.read_bytes()


def not_a_database(path: Path) -> None:
    path.write_bytes(b"no database, and long enough to have a header " * 100)


def another_programs(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE photographs (name TEXT)")
    connection.close()


def damaged(path: Path) -> None:
    another_programs(path)
    content = bytearray(path.read_bytes())
    content[100:200] = b"\xff" * 100
    path.write_bytes(content)


def a_folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize(
    ("spoil", "error", "reason"),
    [
        (not_a_database, InvalidInputError, "is not a SQLite database"),
        (another_programs, InvalidInputError, "is a database of another program"),
        (damaged, UnavailableError, "is damaged"),
        (a_folder, UnavailableError, "can't be opened"),
    ],
)
async def test_what_is_no_database_of_ours_is_refused_by_name(
    path: Path, spoil: Callable[[Path], None], error: type[NexusError], reason: str
) -> None:
    spoil(path)
    before = content(path)

    with pytest.raises(error, match=reason) as refusal:
        async with SqliteDatabase.open(path):
            pass

    assert str(path) in str(refusal.value)
    assert content(path) == before


async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "nexus.db"

    with pytest.raises(UnavailableError, match="does its folder exist") as refusal:
        async with SqliteDatabase.open(path):
            pass

    assert str(path) in str(refusal.value)


async def test_a_newer_versions_file_is_refused_and_left_as_it_is(path: Path) -> None:
    async with SqliteDatabase.open(path):
        pass
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    connection.close()
    before = content(path)

    with pytest.raises(InvalidInputError, match="made by a newer Nexus"):
        async with SqliteDatabase.open(path):
            pass

    assert content(path) == before


async def test_a_schema_that_was_cut_off_halfway_leaves_nothing(path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA max_page_count = 5")

    with pytest.raises(sqlite3.OperationalError, match="full"):
        schema.bring_up_to_date(connection, path)

    assert connection.execute("SELECT count(*) FROM sqlite_master").fetchall() == [(0,)]
    connection.close()
    async with SqliteDatabase.open(path) as database:
        await database.ping()


# Closing, and being cut off.


async def test_closing_serves_the_writes_that_wait(path: Path) -> None:
    runs = [a_checkpoint() for _ in range(200)]
    async with SqliteDatabase.open(path) as database:
        store = SqliteCheckpointStore(database, SystemClock())
        accepts = [asyncio.create_task(store.accept(run, None)) for run in runs]
        await asyncio.sleep(0)

    assert len(await asyncio.gather(*accepts)) == len(runs)
    async with SqliteDatabase.open(path) as database:
        store = SqliteCheckpointStore(database, SystemClock())
        assert [await store.find(run.key) for run in runs] == runs


async def test_a_closed_database_says_so(path: Path) -> None:
    async with SqliteDatabase.open(path) as database:
        store = SqliteCheckpointStore(database, SystemClock())

    with pytest.raises(UnavailableError, match="is closed"):
        await store.accept(a_checkpoint(), None)
    with pytest.raises(UnavailableError, match="is closed"):
        await store.find(a_checkpoint().key)
    with pytest.raises(UnavailableError, match="is closed"):
        await store.ping()


@pytest.mark.parametrize("turns", range(12))
async def test_opening_and_closing_may_be_cut_off_at_any_point(path: Path, turns: int) -> None:
    async def open_use_and_close() -> None:
        async with SqliteDatabase.open(path) as database:
            await SqliteCheckpointStore(database, SystemClock()).accept(a_checkpoint(), None)

    task = asyncio.create_task(open_use_and_close())
    for _ in range(turns):
        # Longer at first, when threads start, so that the cuts fall on all of the way.
        await asyncio.sleep(0 if turns % 2 else 0.001)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task

    async with SqliteDatabase.open(path) as database:
        await database.ping()


async def test_a_close_that_is_cut_off_still_keeps_what_waits(path: Path) -> None:
    release = threading.Event()
    run = a_checkpoint()

    async def open_and_close() -> None:
        async with SqliteDatabase.open(path) as database:
            store = SqliteCheckpointStore(database, SystemClock())
            writes.append(asyncio.create_task(database.write(lambda _: release.wait(10))))
            writes.append(asyncio.create_task(store.accept(run, None)))
            await asyncio.sleep(0)
            closing.set()

    writes: list[asyncio.Task[object]] = []
    closing = asyncio.Event()
    task = asyncio.create_task(open_and_close())
    await closing.wait()
    # Once for each thing that is closed, and then some.
    while not task.done():
        task.cancel()
        await asyncio.sleep(0)
    release.set()

    await asyncio.gather(*writes)
    async with SqliteDatabase.open(path) as database:
        assert await SqliteCheckpointStore(database, SystemClock()).find(run.key) == run
