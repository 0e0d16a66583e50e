"""How operations that wait together are served: reads each alone, writes in one transaction."""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import structlog

from nexus_core.domain.errors import NexusError

T = TypeVar("T")

Operation = Callable[[sqlite3.Cursor], T]
"""What to do in the thread. May be run more than once, so it changes nothing but the database, and
raises a `NexusError` only before it has changed anything. Reads each result to its end: a statement
left halfway would hold the connection to what it saw then."""

Outcome = Any
"""The result of an operation, or the exception that it raised."""

Serve = Callable[[sqlite3.Cursor, Sequence[Operation[Any]]], list[Outcome]]
"""How a batch is served: an outcome for each operation, in their order."""

_logger = structlog.get_logger()


def answer_each(cursor: sqlite3.Cursor, operations: Sequence[Operation[Any]]) -> list[Outcome]:
    """Serve reads: each sees all that was committed when it began."""
    outcomes: list[Outcome] = []
    for operation in operations:
        try:
            outcomes.append(operation(cursor))
        except Exception as error:  # noqa: BLE001 - belongs to who waits for this one
            outcomes.append(error)
    return outcomes


def commit_together(cursor: sqlite3.Cursor, operations: Sequence[Operation[Any]]) -> list[Outcome]:
    """Serve writes: all in one transaction, durable when this returns.

    An operation that fails is undone without harm to the others. When the commit itself fails, all
    of them get its error, and it is unknown what was kept.
    """
    try:
        return _transaction(cursor, operations)
    except _OperationFailedError as failure:
        # Rare, so one transaction each is cheap enough, and right: savepoints would cost every
        # operation two more statements, and not help when a full disk ends the whole transaction.
        _logger.warning(
            "sqlite batch is repeated one by one", size=len(operations), error=str(failure.cause)
        )
        return _one_by_one(cursor, operations)
    except sqlite3.Error as error:
        # Whoever waits says it in words of its own, once; here it would be a line for each.
        _logger.debug("sqlite commit failed", size=len(operations), error=str(error))
        return [error] * len(operations)


def _one_by_one(cursor: sqlite3.Cursor, operations: Sequence[Operation[Any]]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for operation in operations:
        try:
            outcomes += _transaction(cursor, [operation])
        except _OperationFailedError as failure:
            outcomes.append(failure.cause)
        except sqlite3.Error as error:
            # Not a matter of this operation: don't wait for the same refusal once for each.
            return outcomes + [error] * (len(operations) - len(outcomes))
    return outcomes


class _OperationFailedError(Exception):
    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


def _transaction(cursor: sqlite3.Cursor, operations: Sequence[Operation[Any]]) -> list[Outcome]:
    # Immediate: a transaction that becomes a writer only later can't wait for another process's.
    cursor.execute("BEGIN IMMEDIATE")
    try:
        outcomes = [_outcome(operation, cursor) for operation in operations]
        cursor.execute("COMMIT")
    finally:
        # Only after an error, and not after those that end the transaction themselves.
        if cursor.connection.in_transaction:
            cursor.execute("ROLLBACK")
    return outcomes


def _outcome(operation: Operation[Any], cursor: sqlite3.Cursor) -> Outcome:
    try:
        return operation(cursor)
    except NexusError as refusal:
        return refusal  # decided before anything was changed
    except Exception as error:
        raise _OperationFailedError(error) from error
