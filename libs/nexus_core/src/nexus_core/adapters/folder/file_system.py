"""The file system's promises and refusals: what is on the disk, and its errors in our words."""

import ctypes
import os
from pathlib import Path

from nexus_core.domain.errors import UnavailableError

# In Linux's C library, and nowhere else; Python does not offer it.
_syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)

CAN_SYNC_ALL = _syncfs is not None
"""Whether `sync_all` works on this system."""


def sync_folder(path: str | Path) -> None:
    """Bring the names in a folder to the disk."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def sync_all(descriptor: int) -> None:
    """Bring everything on the file system of an open file or folder to the disk.

    Raises:
        OSError: something was not written since the descriptor was opened.
    """
    if _syncfs is None:
        raise NotImplementedError("this system has no syncfs")
    if _syncfs(descriptor) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def unavailable(path: str | Path, error: OSError) -> UnavailableError:
    """Return what an error of the file system means to callers."""
    return UnavailableError(f"{path}: {error.strerror or error}")
