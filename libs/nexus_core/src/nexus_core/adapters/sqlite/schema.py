"""Makes the schema where it is missing, brings an older one up to date, refuses what is not ours.

The schema is a sequence of steps, `steps/0001_….sql` and so on; a file's version is the number of
those that it has been through. A step that has been released is never edited: add another.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path

from nexus_core.domain.errors import InvalidInputError

# "NXUS": tells our files from those of other programs, and `file` from other databases.
_APPLICATION_ID = 0x4E585553


def _read_steps() -> Sequence[str]:
    folder = resources.files(__package__).joinpath("steps")
    files = [file for file in folder.iterdir() if file.name.endswith(".sql")]
    return [file.read_text(encoding="utf-8") for file in sorted(files, key=lambda one: one.name)]


_STEPS = _read_steps()

VERSION = len(_STEPS)
"""Of the schema of this release, as `PRAGMA user_version` holds it."""


def version_of(connection: sqlite3.Connection, path: Path) -> int:
    """Return how many steps a file has been through, 0 for an empty one; changes nothing.

    Raises:
        InvalidInputError: a newer Nexus made the file, or another program did.
    """
    ((tables,),) = connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
    if tables == 0:
        return 0
    ((application,),) = connection.execute("PRAGMA application_id").fetchall()
    if application != _APPLICATION_ID:
        raise InvalidInputError(f"{path} is a database of another program")
    ((version,),) = connection.execute("PRAGMA user_version").fetchall()
    if version > VERSION:
        raise InvalidInputError(
            f"{path} was made by a newer Nexus (schema version {version}, this one knows {VERSION})"
        )
    return int(version)


def bring_up_to_date(connection: sqlite3.Connection, path: Path) -> None:
    """Take the steps that a file has not been through, all or nothing. Idempotent.

    Safe when several processes do so at once, also while some of an earlier release have the file
    open: a step only adds what those know nothing of.

    Raises:
        InvalidInputError: a newer Nexus made the file, or another program did.
    """
    # Immediate: of several that found the file behind, one takes the steps while the others wait,
    # and then find them taken.
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in _STEPS[version_of(connection, path) :]:
            for statement in _statements(step):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    finally:
        # Only after an error, and not after those that end the transaction, as a full disk does.
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _statements(script: str) -> Iterator[str]:
    # Not `executescript`: it commits before it begins, which would let another process in between.
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
