"""Files that appear whole or not at all, and survive a crash once they have appeared.

Everything here blocks, and runs in worker threads.
"""

import fcntl
import os
import secrets
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path

import structlog

from nexus_core.domain.errors import UnavailableError

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
        self._prefix = secrets.token_hex(8)
        self._numbers = count()
        self._lock = -1

    def open(self) -> None:
        """Make the folders, and remove what crashed writes left behind.

        Raises:
            UnavailableError: the folder can't be used; names it.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
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

    def draft(self) -> "Draft":
        """Return a new file to write, which is not made before its first write."""
        return Draft(self.path / f"{self._prefix}-{next(self._numbers)}")

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

    def __init__(self, path: Path) -> None:
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

    def place(self, target: Path) -> None:
        """Rename to `target`, replacing what is there. Durable once its folder is synced."""
        with self._turn:
            if self._ended:
                return
            try:
                self._path.replace(target)
            except FileNotFoundError:
                # The first file of its folder. Asked this way round, all others cost nothing.
                target.parent.mkdir(exist_ok=True)
                sync_folder(target.parent.parent)
                self._path.replace(target)
            self._end()

    def discard(self) -> None:
        """Remove the file unless it is in its place. Idempotent; never fails."""
        # What can't be removed now is a leftover, and goes at the next start.
        with self._turn, suppress(OSError):
            if not self._ended:
                self._end()
                self._path.unlink(missing_ok=True)

    def _end(self) -> None:
        self._ended = True
        if self._file >= 0:
            os.close(self._file)


class Placement:
    """A whole small file to be put in its place, and what came of it."""

    def __init__(self, target: Path, body: bytes) -> None:
        self.target = target
        self.body = body
        self.error: UnavailableError | None = None


def place_all(drafts: DraftFolder, placements: Sequence[Placement]) -> None:
    """Put files in their places; durable when it returns, but for those that got an `error`.

    All are written before the first is synced, and each folder is synced once: the disk then has
    more to do at a time, which is what makes a group cheaper than its members.
    """
    pairs = [(placement, drafts.draft()) for placement in placements]
    for step in (_write, _sync, _place):
        for placement, draft in pairs:
            if placement.error is None:
                _attempt(step, placement, draft)
    for folder in {p.target.parent for p in placements if p.error is None}:
        try:
            sync_folder(folder)
        except OSError as error:
            for placement in placements:
                if placement.target.parent == folder:
                    placement.error = unavailable(folder, error)


def finish(draft: Draft, rest: bytes, target: Path) -> None:
    """Append the rest to a draft and put it in its place; durable when it returns."""
    try:
        draft.write(rest)
        draft.sync()
        draft.place(target)
        sync_folder(target.parent)
    except OSError as error:
        draft.discard()
        raise unavailable(target, error) from error


def sync_folder(path: Path) -> None:
    """Bring the names in a folder to the disk."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def unavailable(path: Path, error: OSError) -> UnavailableError:
    """Return what an error of the file system means to callers."""
    return UnavailableError(f"{path}: {error.strerror or error}")


def _attempt(step: Callable[[Placement, Draft], None], placement: Placement, draft: Draft) -> None:
    try:
        step(placement, draft)
    except OSError as error:
        placement.error = unavailable(placement.target, error)
        draft.discard()


def _write(placement: Placement, draft: Draft) -> None:
    draft.write(placement.body)


def _sync(_: Placement, draft: Draft) -> None:
    draft.sync()


def _place(placement: Placement, draft: Draft) -> None:
    draft.place(placement.target)
