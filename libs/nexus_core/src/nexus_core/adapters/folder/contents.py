"""Reading stored files: small ones at once, large ones piece by piece."""

import os
import weakref
from collections.abc import AsyncIterator

from nexus_core.adapters.folder.threads import Threads
from nexus_core.domain.errors import UnavailableError

PIECE_BYTES = 256 * 1024
"""How much goes through a worker thread at a time: what one trip to it is worth."""


class OpenFile:
    """A file that is read in pieces. Replacing it meanwhile changes nothing for who reads.

    It is closed when it has been read, or when nobody can read it any more: whoever was to read it
    may have been cancelled before the first piece.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._file = os.open(path, os.O_RDONLY)
        self.close = weakref.finalize(self, os.close, self._file)
        self.size = os.fstat(self._file).st_size

    def read(self, offset: int) -> bytes:
        """Return the piece that begins at an offset; blocks."""
        return os.pread(self._file, min(PIECE_BYTES, self.size - offset), offset)


async def in_pieces(file: OpenFile, threads: Threads) -> AsyncIterator[bytes]:
    """Go through a file.

    Raises:
        UnavailableError: it can't be read to its end.
    """
    offset = 0
    while offset < file.size:
        piece = await threads.run(file.read, offset)
        if not piece:
            raise UnavailableError(f"{file.path}: ended early")
        offset += len(piece)
        yield piece
    file.close()


async def at_once(body: bytes) -> AsyncIterator[bytes]:
    """Go through content that was read already."""
    if body:
        yield body
