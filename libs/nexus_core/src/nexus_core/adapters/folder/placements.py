"""Putting many small files in their places together; blocks.

Every run passes by here. Paths are text, since objects for them cost more than the calls they make.
"""

import os
from collections.abc import Sequence
from contextlib import suppress

from nexus_core.adapters.folder.drafts import DraftFolder, move
from nexus_core.adapters.folder.file_system import CAN_SYNC_ALL, sync_folder, unavailable
from nexus_core.domain.errors import UnavailableError

# Syncing the whole file system costs about as much as syncing three files, however many there are:
# with 64 callers of 1 KiB less than half of the CPU time a put, and several times the puts. Its
# price is that what others have not written yet goes to the disk first. (Rejected: a journal of our
# own, synced once a group; no faster, and one more thing to recover from.)
_WORTH_SYNCING_ALL = 4


class Placement:
    """A whole small file to be put in its place, and what came of it."""

    def __init__(self, folder: str, name: str, body: bytes) -> None:
        self.folder = folder
        self.target = f"{folder}/{name}"
        self.body = body
        self.error: UnavailableError | None = None

    def fail(self, draft: str, error: OSError) -> None:
        """Give up, and leave no draft."""
        self.error = unavailable(self.target, error)
        with suppress(OSError):  # what can't be removed is a leftover, and goes at the next start
            os.unlink(draft)


def place_all(drafts: DraftFolder, placements: Sequence[Placement]) -> None:
    """Put files in their places; durable when it returns, but for those that got an `error`.

    All are written before the first is synced, and each folder is synced once, so that the disk
    has more to do at a time. One that fails does not take others along.
    """
    together = CAN_SYNC_ALL and len(placements) >= _WORTH_SYNCING_ALL
    written = [(p, drafts.next_path()) for p in placements]
    for placement, draft in written:
        try:
            _write(draft, placement.body, sync=not together)
        except OSError as error:
            placement.fail(draft, error)
    if together:
        try:
            drafts.sync_all()
        except OSError as error:
            for placement, draft in written:
                placement.fail(draft, error)
    for placement, draft in written:
        if placement.error is None:
            try:
                move(draft, placement.target)
            except OSError as error:
                placement.fail(draft, error)
    for folder in {placement.folder for placement in placements if placement.error is None}:
        _sync_names(folder, placements)


def _write(draft: str, body: bytes, *, sync: bool) -> None:
    file = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o640)
    try:
        written = os.write(file, body)
        while written < len(body):
            written += os.write(file, body[written:])
        if sync:
            os.fsync(file)
    finally:
        os.close(file)


def _sync_names(folder: str, placements: Sequence[Placement]) -> None:
    try:
        sync_folder(folder)
    except OSError as error:
        for placement in placements:
            if placement.folder == folder:
                placement.error = unavailable(folder, error)
