"""Opening a connection that keeps the promises that the store makes."""

import sqlite3
import time
from pathlib import Path

from nexus_core.adapters.sqlite import schema
from nexus_core.adapters.sqlite.errors import in_our_words, primary_code
from nexus_core.domain.errors import UnavailableError

# Short enough to be cheap while another process holds the file for the blink of a mode change.
_RETRY_SECONDS = 0.02

# Pages of 4 KiB. Copying the log back into the file costs two more syncs, so do it every 16 MiB
# rather than every 4; the log file stays about that size.
_PAGES_BEFORE_CHECKPOINT = 4000

# KiB. Room for the branches and the growing ends of all indexes; the rest is in the system's cache.
_CACHE_KIB = 8000


def connect(path: Path, busy_seconds: float) -> sqlite3.Connection:
    """Open a connection that is durable at every commit; make the file, and its schema up to date.

    To be used and closed in the calling thread only. A statement waits `busy_seconds` for another
    process's transaction to end.

    Raises:
        InvalidInputError: the file is no database, another program's, or a newer Nexus's.
        UnavailableError: the file can't be opened, read or written.
    """
    with in_our_words(path):
        # No isolation level: transactions begin and end where we say.
        connection = sqlite3.connect(path, timeout=busy_seconds, isolation_level=None)
        try:
            # First, for the log's mode is kept in the file, and not ours to change in any file.
            version = schema.version_of(connection, path)
            _use_write_ahead_log(connection, path, busy_seconds)
            _configure(connection)
            if version < schema.VERSION:
                schema.bring_up_to_date(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def _configure(connection: sqlite3.Connection) -> None:
    # In write-ahead mode NORMAL would lose the last commits when power fails.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_PAGES_BEFORE_CHECKPOINT}")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    # Some builds overwrite whatever is deleted with zeros; every change of stage deletes.
    connection.execute("PRAGMA secure_delete = OFF")


def _use_write_ahead_log(connection: sqlite3.Connection, path: Path, busy_seconds: float) -> None:
    # Several processes that open a new file at once can meet "locked" here without SQLite waiting
    # for its busy timeout: the change of mode takes its lock in a way that could deadlock.
    deadline = time.monotonic() + busy_seconds
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            if primary_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_SECONDS)
        else:
            break
    if mode != "wal":
        raise UnavailableError(f"{path} lies on a file system that can't share it among processes")
