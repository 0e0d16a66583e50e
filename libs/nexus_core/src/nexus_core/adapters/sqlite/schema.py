"""Makes the schema where it is missing, and refuses a file that holds something else."""

import sqlite3
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from nexus_core.domain.errors import InvalidInputError

VERSION = 1
"""Of the schema in `schema.sql`, as `PRAGMA user_version` holds it."""

# "NXUS": tells our files from those of other programs, and `file` from other databases.
_APPLICATION_ID = 0x4E585553


def is_missing(connection: sqlite3.Connection, path: Path) -> bool:
    """Tell whether a file is empty; changes nothing.

    Raises:
        InvalidInputError: a newer Nexus made the file, or another program did.
    """
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables == 0:
        return True
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != _APPLICATION_ID:
        raise InvalidInputError(f"{path} is a database of another program")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise InvalidInputError(
            f"{path} was made by a newer Nexus (schema version {version}, this one knows {VERSION})"
        )
    return False


def create(connection: sqlite3.Connection, path: Path) -> None:
    """Make the schema, all or nothing; safe when several processes do so at once."""
    # Immediate: of several that found the file empty, one makes the schema while the others wait,
    # and then find it there.
    connection.execute("BEGIN IMMEDIATE")
    try:
        if is_missing(connection, path):
            for statement in _statements():
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    finally:
        # Only after an error, and not after those that end the transaction, as a full disk does.
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _statements() -> Iterator[str]:
    script = resources.files(__package__).joinpath("schema.sql").read_text(encoding="utf-8")
    # Not `executescript`: it commits before it begins, which would let another process in between.
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
