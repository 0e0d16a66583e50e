"""Putting many small files in their places together; blocks."""

from collections.abc import Callable, Sequence
from pathlib import Path

from nexus_core.adapters.folder.drafts import Draft, DraftFolder
from nexus_core.adapters.folder.file_system import CAN_SYNC_ALL, sync_folder, unavailable
from nexus_core.domain.errors import UnavailableError

# Syncing the whole file system costs about as much as syncing three files, however many there are:
# with 64 callers of 1 KiB less than half of the CPU time a put, and several times the puts. Its
# price is that what others have not written yet goes to the disk first. (Rejected: a journal of our
# own, synced once a group; no faster, and one more thing to recover from.)
_WORTH_SYNCING_ALL = 4


class Placement:
    """A whole small file to be put in its place, and what came of it."""

    def __init__(self, target: Path, body: bytes) -> None:
        self.target = target
        self.body = body
        self.error: UnavailableError | None = None


def place_all(drafts: DraftFolder, placements: Sequence[Placement]) -> None:
    """Put files in their places; durable when it returns, but for those that got an `error`.

    All are written before the first is synced, and each folder is synced once, so that the disk
    has more to do at a time.
    """
    pairs = [(placement, drafts.draft()) for placement in placements]
    _each(pairs, lambda placement, draft: draft.write(placement.body))
    if CAN_SYNC_ALL and len(pairs) >= _WORTH_SYNCING_ALL:
        _sync_together(drafts, pairs)
    else:
        _each(pairs, lambda _, draft: draft.sync())
    _each(pairs, lambda placement, draft: draft.place(placement.target))
    for folder in {placement.target.parent for placement in placements if not placement.error}:
        _sync_names(folder, placements)


def _each(
    pairs: Sequence[tuple[Placement, Draft]], step: Callable[[Placement, Draft], None]
) -> None:
    """Take a step with each file that got so far; one that fails does not take others along."""
    for placement, draft in pairs:
        if placement.error is None:
            try:
                step(placement, draft)
            except OSError as error:
                _fail(placement, draft, error)


def _sync_together(drafts: DraftFolder, pairs: Sequence[tuple[Placement, Draft]]) -> None:
    try:
        drafts.sync_all()
    except OSError as error:
        for placement, draft in pairs:
            _fail(placement, draft, error)


def _sync_names(folder: Path, placements: Sequence[Placement]) -> None:
    try:
        sync_folder(folder)
    except OSError as error:
        for placement in placements:
            if placement.target.parent == folder:
                placement.error = unavailable(folder, error)


def _fail(placement: Placement, draft: Draft, error: OSError) -> None:
    placement.error = unavailable(placement.target, error)
    draft.discard()
