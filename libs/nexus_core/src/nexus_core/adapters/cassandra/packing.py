"""How a payload stands in its row: base64 of its gzip."""

import binascii
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterator
from gzip import BadGzipFile, GzipFile
from io import BytesIO

from msgspec import Struct

_PIECE = 256 * 1024
"""Bytes that are worked on at a time: a row of a few MiB may hold a thousand times as many."""

_GZIP = 16 + zlib.MAX_WBITS


class TooLargeError(Exception):
    """What was packed has more bytes than it may have."""


class DamagedError(Exception):
    """What was to be unpacked is no gzip in base64."""


class Unpacking(Struct, frozen=True):
    """A packed payload that was found to be sound."""

    size: int
    """Of the payload, in bytes."""
    packed: bytes
    """Its gzip."""

    def pieces(self) -> Iterator[bytes]:
        """Go through the payload; none of its pieces is large, and none empty."""
        with GzipFile(fileobj=BytesIO(self.packed)) as file:
            while piece := file.read(_PIECE):
                yield piece


def pack(body: bytes, largest: int) -> str:
    """Return a payload as it stands in its row.

    Raises:
        TooLargeError: that has more than `largest` bytes; found out before all of it is packed.
    """
    packer = zlib.compressobj(wbits=_GZIP)
    packed = bytearray()
    view = memoryview(body)
    for start in range(0, len(body), _PIECE):
        packed += packer.compress(view[start : start + _PIECE])
        _check(packed, largest)
    packed += packer.flush()
    _check(packed, largest)
    return b64encode(packed).decode()


def packed_from(text: str) -> Unpacking:
    """Return what stands in a row, once gone through to its end.

    Raises:
        DamagedError: it is nothing that was packed, or not the whole of it.
    """
    try:
        packed = b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DamagedError(f"is no base64: {error}") from error
    try:
        # By the checksum at its end it is known to be whole; the length that stands there, too,
        # is that of its last part, and counts to 4 GiB only.
        size = sum(map(len, Unpacking(0, packed).pieces()))
    except (BadGzipFile, EOFError, zlib.error) as error:
        raise DamagedError(f"is no gzip: {error}") from error
    if not packed:
        raise DamagedError("is empty")
    return Unpacking(size, packed)


def _check(packed: bytearray, largest: int) -> None:
    # Every three bytes become four characters.
    if (len(packed) + 2) // 3 * 4 > largest:
        raise TooLargeError
