"""Opening a connection with the promises that the store makes, and SQLite's errors in our words."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nexus_core.domain.errors import InvalidInputError, UnavailableError

# Short enough to be cheap while another process holds the file for the blink of a mode change.
_RETRY_SECONDS = 0.02

# Pages of 4 KiB. Copying the log back into the file costs two more syncs, so do it every 16 MiB
# rather than every 4; the log file stays about that size.
_PAGES_BEFORE_CHECKPOINT = 4000

# KiB. Room for the branches and the growing ends of all indexes; the rest is in the system's cache.
_CACHE_KIB = 8000


def connect(path: Path, busy_seconds: float) -> sqlite3.Connection:
    """Open a connection that is durable at every commit; make the file where there is none.

    To be used and closed in the calling thread only. A statement waits `busy_seconds` for another
    process's transaction to end.

    Raises:
        InvalidInputError: the file is not a database.
        UnavailableError: the file can't be opened.
    """
    with in_our_words(path):
        # No isolation level: transactions begin and end where we say.
        connection = sqlite3.connect(path, timeout=busy_seconds, isolation_level=None)
    try:
        with in_our_words(path):
            _configure(connection, busy_seconds)
    except BaseException:
        connection.close()
        raise
    return connection


def _configure(connection: sqlite3.Connection, busy_seconds: float) -> None:
    _use_write_ahead_log(connection, busy_seconds)
    # In write-ahead mode NORMAL would lose the last commits when power fails.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_PAGES_BEFORE_CHECKPOINT}")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    # Some builds overwrite whatever is deleted with zeros; every change of stage deletes.
    connection.execute("PRAGMA secure_delete = OFF")


def _use_write_ahead_log(connection: sqlite3.Connection, busy_seconds: float) -> None:
    # Several processes that open a new file at once can meet "locked" here without SQLite waiting
    # for its busy timeout: the change of mode takes its lock in a way that could deadlock.
    deadline = time.monotonic() + busy_seconds
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_SECONDS)
        else:
            return


@contextmanager
def in_our_words(path: Path) -> Iterator[None]:
    """Translate SQLite's errors, naming the file."""
    try:
        yield
    except sqlite3.Error as error:
        raise translated(error, path) from error


def translated(error: sqlite3.Error, path: Path) -> Exception:
    """Return what an error of SQLite means to callers; itself when it is a mistake in our code."""
    code = _code(error)
    if code is None:
        return error
    if code == sqlite3.SQLITE_NOTADB:
        return InvalidInputError(f"{path} is not a SQLite database")
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return UnavailableError(f"another process keeps {path} locked", retry_after=1.0)
    reason = _REASONS.get(code, "can't be used")
    return UnavailableError(f"{path} {reason} (SQLite: {error})")


def _code(error: sqlite3.Error) -> int | None:
    """Return the primary result code; None when the driver itself found the mistake."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    # The higher bits only tell variants apart.
    return None if code is None else code & 0xFF


_REASONS = {
    sqlite3.SQLITE_CANTOPEN: "can't be opened: does its folder exist, and may we write there?",
    sqlite3.SQLITE_READONLY: "can't be written to: may we write to the file and its folder?",
    sqlite3.SQLITE_PERM: "can't be used: we lack the permission",
    sqlite3.SQLITE_FULL: "can't grow: the disk is full",
    sqlite3.SQLITE_IOERR: "can't be read or written: the disk reports an error",
    sqlite3.SQLITE_CORRUPT: "is damaged: restore it from a copy, or move it away to begin anew",
}
