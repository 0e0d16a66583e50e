"""The names of stored files, and going through them; blocks."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice

from nexus_core.adapters.folder.file_system import unavailable
from nexus_core.domain.errors import InvalidInputError
from nexus_core.domain.names import parse_run_key
from nexus_core.ports.payload_store import Content
from nexus_core.ports.stored_content import StoredItem

_FOLDER = "algorithm="
_SUFFIXES = {Content.PAYLOAD: "", Content.RESULT: ".result"}

_PORTION = 1000
"""Files that are passed, old or not, before others have their turn: some milliseconds."""


def folder_of(algorithm: str) -> str:
    """Return the name of the folder of an algorithm's files."""
    return f"{_FOLDER}{algorithm}"


def name_of(content: Content, request_id: str) -> str:
    """Return the name of a file in it."""
    return f"{request_id}{_SUFFIXES[content]}"


def stored_files(root: str, before: float) -> Iterator[StoredItem | None]:
    """Go through all files; None for each that is younger, or is nobody's content.

    Raises:
        UnavailableError: a folder can't be read.
    """
    try:
        with os.scandir(root) as folders:
            for folder in folders:
                if folder.name.startswith(_FOLDER):
                    with os.scandir(folder.path) as files:
                        for file in files:
                            yield _item(folder.name.removeprefix(_FOLDER), file, before)
    except OSError as error:
        raise unavailable(root, error) from error


def next_portion(walk: Iterator[StoredItem | None]) -> list[StoredItem] | None:
    """Return the old ones among the next files; None: there are no more files."""
    passed = list(islice(walk, _PORTION))
    return [item for item in passed if item is not None] if passed else None


def _item(algorithm: str, file: os.DirEntry[str], before: float) -> StoredItem | None:
    result = _SUFFIXES[Content.RESULT]
    content = Content.RESULT if file.name.endswith(result) else Content.PAYLOAD
    try:
        stored_at = file.stat(follow_symlinks=False).st_mtime
        if stored_at >= before:
            return None
        key = parse_run_key(algorithm, file.name.removesuffix(_SUFFIXES[content]))
    except (FileNotFoundError, InvalidInputError):  # gone meanwhile, or put here by somebody else
        return None
    return StoredItem(content, key, datetime.fromtimestamp(stored_at, UTC))
