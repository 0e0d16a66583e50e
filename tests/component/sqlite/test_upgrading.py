"""A file that an earlier release made, opened by this one."""

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nexus_core.adapters.sqlite import schema, statements
from nexus_core.adapters.sqlite.checkpoint_store import SqliteCheckpointStore
from nexus_core.adapters.sqlite.connection import connect
from nexus_core.adapters.sqlite.database import SqliteDatabase
from nexus_core.adapters.sqlite.rows import checkpoint_row
from nexus_core.aio.clock import SystemClock
from nexus_core.domain.checkpoint import Checkpoint
from support.runs import a_checkpoint

# As it was released: a copy, so that an edit of the step that it became would show.
VERSION_1 = Path(__file__).with_name("version_1.sql")


@pytest.fixture
def run() -> Checkpoint:
    return a_checkpoint()


@pytest.fixture(autouse=True)
def old_file(path: Path, run: Checkpoint) -> Path:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(VERSION_1.read_text())
    connection.execute(f"PRAGMA application_id = {0x4E585553}")
    connection.execute("PRAGMA user_version = 1")
    connection.execute(statements.INSERT_CHECKPOINT, checkpoint_row(run, "cluster"))
    connection.close()
    return path


def shape(connection: sqlite3.Connection) -> set[tuple[str, str, str]]:
    """What the schema is made of, however it is commented."""
    rows = connection.execute("SELECT type, name, coalesce(sql, '') FROM sqlite_master")
    return {(kind, name, _bare(sql)) for kind, name, sql in rows.fetchall()}


def _bare(sql: str) -> str:
    lines = (line.partition("--")[0] for line in sql.splitlines())
    return " ".join(" ".join(lines).split())


def version(connection: sqlite3.Connection) -> int:
    ((number,),) = connection.execute("PRAGMA user_version").fetchall()
    return int(number)


async def test_an_old_file_keeps_its_runs(old_file: Path, run: Checkpoint) -> None:
    async with SqliteDatabase.open(old_file) as database:
        assert await SqliteCheckpointStore(database, SystemClock()).find(run.key) == run


def test_an_old_file_becomes_like_a_new_one(old_file: Path, tmp_path: Path) -> None:
    upgraded = connect(old_file, busy_seconds=10)
    new = connect(tmp_path / "new.db", busy_seconds=10)

    assert shape(upgraded) == shape(new)
    assert version(upgraded) == version(new) == schema.VERSION
    upgraded.close()
    new.close()


def test_an_upgrade_that_is_cut_off_halfway_changes_nothing(old_file: Path) -> None:
    connection = sqlite3.connect(old_file, isolation_level=None)
    before = shape(connection)
    ((pages,),) = connection.execute("PRAGMA page_count").fetchall()
    connection.execute(f"PRAGMA max_page_count = {pages + 3}")

    with pytest.raises(sqlite3.OperationalError, match="full"):
        schema.bring_up_to_date(connection, old_file)

    assert shape(connection) == before
    assert version(connection) == 1
    connection.close()


@pytest.mark.parametrize("attempt", range(10))
def test_of_several_that_find_an_old_file_one_upgrades_it(old_file: Path, attempt: int) -> None:
    assert old_file.exists(), f"attempt {attempt} begins with an old file"
    together = threading.Barrier(8)

    def open_and_look(_: int) -> int:
        together.wait(10)
        connection = connect(old_file, busy_seconds=10)
        found = version(connection)
        connection.close()
        return found

    with ThreadPoolExecutor(together.parties) as threads:
        found = set(threads.map(open_and_look, range(together.parties)))

    assert found == {schema.VERSION}


def test_who_has_the_file_open_already_goes_on(old_file: Path, run: Checkpoint) -> None:
    earlier = sqlite3.connect(old_file, isolation_level=None)
    key = (run.algorithm, run.id)
    before = earlier.execute(statements.FIND_CHECKPOINT, key).fetchall()

    connect(old_file, busy_seconds=10).close()

    another = a_checkpoint()
    earlier.execute(statements.INSERT_CHECKPOINT, checkpoint_row(another, "cluster"))
    assert earlier.execute(statements.FIND_CHECKPOINT, key).fetchall() == before
    earlier.close()
