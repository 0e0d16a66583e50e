"""SQLite's errors in our words, naming the file."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nexus_core.domain.errors import InvalidInputError, UnavailableError


@contextmanager
def in_our_words(path: Path) -> Iterator[None]:
    """Translate SQLite's errors, naming the file."""
    try:
        yield
    except sqlite3.Error as error:
        raise translated(error, path) from error


def translated(error: sqlite3.Error, path: Path) -> Exception:
    """Return what an error of SQLite means to callers; itself when it is a mistake in our code."""
    code = primary_code(error)
    if code is None:
        return error
    if code == sqlite3.SQLITE_NOTADB:
        return InvalidInputError(f"{path} is not a SQLite database")
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return UnavailableError(f"another process keeps {path} locked", retry_after=1.0)
    reason = _REASONS.get(code, "can't be used")
    return UnavailableError(f"{path} {reason} (SQLite: {error})")


def primary_code(error: sqlite3.Error) -> int | None:
    """Return SQLite's error code; None when the driver itself found the mistake."""
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
