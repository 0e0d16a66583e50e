"""One SQLite file, open: a thread that writes, and threads that read beside it."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Self, TypeVar

from nexus_core.adapters.sqlite.batches import Operation, Serve, answer_each, commit_together
from nexus_core.adapters.sqlite.connection import connect
from nexus_core.adapters.sqlite.lane import Lane
from nexus_core.domain.errors import UnavailableError

T = TypeVar("T")

# Other processes' transactions last milliseconds; one that lasts this long is stuck.
_BUSY_SECONDS = 5.0

# Beyond the wait for another process: a disk that takes this long over a batch is ill.
_DISK_SECONDS = 10.0


class SqliteDatabase:
    """Runs operations on one file, from the event loop that opened it.

    Lookups by key have a thread of their own, so that a long list does not hold them up.
    """

    def __init__(self, path: Path, writes: Lane, lookups: Lane, lists: Lane) -> None:
        self._path = path
        self._writes = writes
        self._lookups = lookups
        self._lists = lists

    @classmethod
    @asynccontextmanager
    async def open(cls, path: Path, busy_seconds: float = _BUSY_SECONDS) -> AsyncIterator[Self]:
        """Open a file, making it where there is none; its folder must be there.

        Leaving serves every write that waits before it closes the file. `busy_seconds` is how long
        to wait for another process's transaction.

        Raises:
            InvalidInputError: the file is no database, another program's, or a newer Nexus's.
            UnavailableError: the file can't be opened, read or written.
        """
        async with AsyncExitStack() as stack:

            async def lane(name: str, serve: Serve) -> Lane:
                opened = Lane(
                    path,
                    name,
                    connect=lambda: connect(path, busy_seconds),
                    serve=serve,
                    answer_seconds=busy_seconds + _DISK_SECONDS,
                )
                stack.push_async_callback(opened.close)
                await opened.open()
                return opened

            # The writer is closed last, so it is the one that folds the log back into the file.
            writes = await lane("writes", commit_together)
            lookups = await lane("lookups", answer_each)
            lists = await lane("lists", answer_each)
            yield cls(path, writes, lookups, lists)

    async def write(self, operation: Operation[T]) -> T:
        """Run an operation in a transaction; durable when it returns.

        Raises:
            UnavailableError: it is unknown whether it happened.
        """
        return await self._writes.run(operation)

    async def look_up(self, operation: Operation[T]) -> T:
        """Run an operation that reads a few rows by their key."""
        return await self._lookups.run(operation)

    async def list(self, operation: Operation[T]) -> T:
        """Run an operation that may read many rows."""
        return await self._lists.run(operation)

    async def ping(self) -> None:
        """Return when a transaction can begin and end, and the disk has room for what is in it.

        Raises:
            UnavailableError: it can't, or has none.
        """
        await self._writes.run(lambda _: _check_room(self._path))


def _check_room(path: Path) -> None:
    try:
        room = os.statvfs(path).f_bavail
    except OSError as error:
        raise UnavailableError(f"{path}: {error.strerror or error}") from error
    if room == 0:
        # A little may still fit into the log beside the file, which tells nobody of the rest.
        raise UnavailableError(f"{path}: no space left on its disk")
