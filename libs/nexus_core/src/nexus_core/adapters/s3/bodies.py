"""Sending a large body without holding up the loop, and without a second copy of it."""

from aiohttp import Payload
from aiohttp.abc import AbstractStreamWriter

# What is written between two waits for the connection.
_PIECE_BYTES = 64 * 1024


class LargeBody(Payload):
    """Bytes that are sent in pieces, any number of times.

    (Rejected: `BytesIO`, which aiohttp copies as a whole; plain bytes, of which it warns.)
    """

    _value: bytes
    _autoclose = True

    def __init__(self, value: bytes) -> None:
        super().__init__(value)
        self._size = len(value)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Send all of it."""
        view = memoryview(self._value)
        for start in range(0, len(view), _PIECE_BYTES):
            await writer.write(view[start : start + _PIECE_BYTES])

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return it as text, for whoever looks into a request."""
        return self._value.decode(encoding, errors)

    def let_go(self) -> None:
        """Forget the bytes: aiohttp's objects refer to each other, and would keep them."""
        self._value = b""
