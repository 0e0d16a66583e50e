"""Files that appear whole or not at all, and survive a crash once they have appeared.

Everything here blocks, and runs in worker threads.
"""

import fcntl
import os
import secrets
import threading
from contextlib import suppress
from itertools import count
from pathlib import Path

import structlog

from nexus_core.adapters.folder.file_system import sync_all, sync_folder, unavailable

log = structlog.get_logger()

_INCOMING = ".incoming"


class DraftFolder:
    """Where files are written before they are renamed to their place under the same root.

    One folder for all drafts, so that those that a crash left behind are found without a walk
    through a million files. Several processes may share a root.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / _INCOMING
        self._prefix = f"{self.path}/{secrets.token_hex(8)}"
        self._numbers = count()
        self._lock = -1

    def open(self) -> None:
        """Make the folders, and remove what crashed writes left behind.

        Raises:
            UnavailableError: the folder can't be used; names it.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            sync_folder(self.root.parent)
            sync_folder(self.root)
            self._lock = os.open(self.path, os.O_RDONLY)
            self._clear_unless_shared()
        except OSError as error:
            self.close()
            raise unavailable(self.path, error) from error

    def close(self) -> None:
        """Give up the claim to the drafts. Idempotent."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def next_path(self) -> str:
        """Return where to write a file that is not there yet."""
        return f"{self._prefix}-{next(self._numbers)}"

    def draft(self) -> "Draft":
        """Return a new file to write, which is not made before its first write."""
        return Draft(self.next_path())

    def sync_all(self) -> None:
        """Bring all drafts to the disk, and whatever else its file system has not written yet.

        Asked of the descriptor that has been open all along, as it tells of errors since then.
        """
        sync_all(self._lock)

    def _clear_unless_shared(self) -> None:
        # Whoever writes here holds a shared lock, so an exclusive one means that nobody does, and
        # all drafts are dead. While another process lives, they stay until a later start.
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("folder shared with another process", path=str(self.path))
        else:
            for leftover in self.path.iterdir():
                leftover.unlink()
        fcntl.flock(self._lock, fcntl.LOCK_SH)


class Draft:
    """One file on its way to its place. Its methods may be called from several threads in turn."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file = -1
        self._ended = False
        # A cancelled upload is discarded while a thread may still be writing for it.
        self._turn = threading.Lock()

    def write(self, data: bytes) -> None:
        """Append data; nothing happens after `discard`."""
        with self._turn:
            if self._ended:
                return
            if self._file < 0:
                self._file = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o640)
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._file, rest) :]

    def sync(self) -> None:
        """Bring what was written to the disk."""
        with self._turn:
            if not self._ended:
                os.fsync(self._file)

    def place(self, target: str) -> None:
        """Rename to `target`, replacing what is there. Durable once its folder is synced."""
        with self._turn:
            if self._ended:
                return
            move(self._path, target)
            self._end()

    def discard(self) -> None:
        """Remove the file unless it is in its place. Idempotent; never fails."""
        # What can't be removed now is a leftover, and goes at the next start.
        with self._turn, suppress(OSError):
            if not self._ended:
                self._end()
                os.unlink(self._path)

    def _end(self) -> None:
        self._ended = True
        if self._file >= 0:
            os.close(self._file)


def move(draft: str, target: str) -> None:
    """Rename a draft to its place, in a folder that is made when it is missing."""
    try:
        os.rename(draft, target)
    except FileNotFoundError:
        # The first file of its folder. Asked this way round, all others cost nothing.
        folder = Path(target).parent
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)
        os.rename(draft, target)


def finish(draft: Draft, rest: bytes, target: str) -> None:
    """Append the rest to a draft and put it in its place; durable when it returns."""
    try:
        draft.write(rest)
        draft.sync()
        draft.place(target)
        sync_folder(Path(target).parent)
    except OSError as error:
        draft.discard()
        raise unavailable(target, error) from error
