"""Makes the schema where it is missing, and refuses a file that holds something else."""

import sqlite3
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from nexus_core.adapters.sqlite.connection import in_our_words
from nexus_core.domain.errors import InvalidInputError

VERSION = 1
"""Of the schema in `schema.sql`, as `PRAGMA user_version` holds it."""

# "NXUS": tells our files from those of other programs, and `file` from other databases.
_APPLICATION_ID = 0x4E585553


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Bring a file to the schema of this version; safe when several processes do so at once.

    Raises:
        InvalidInputError: a newer Nexus made the file, or another program did.
        UnavailableError: the file can't be read or written.
    """
    with in_our_words(path):
        # Immediate: of several that find the file empty, one makes the schema and the others wait.
        connection.execute("BEGIN IMMEDIATE")
        try:
            if _is_empty(connection, path):
                _create(connection)
            connection.execute("COMMIT")
        except BaseException:
            # Some errors, such as a full disk, have ended the transaction already.
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _is_empty(connection: sqlite3.Connection, path: Path) -> bool:
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


def _create(connection: sqlite3.Connection) -> None:
    script = resources.files(__package__).joinpath("schema.sql").read_text(encoding="utf-8")
    for statement in _statements(script):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")


def _statements(script: str) -> Iterator[str]:
    # Not `executescript`: it commits before it begins, which would let another process in between.
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
