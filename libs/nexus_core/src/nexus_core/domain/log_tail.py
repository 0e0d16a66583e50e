"""The end of what was printed: so many bytes of it, or so many lines. Pure."""

from typing import AnyStr

import msgspec

from nexus_core.domain.journal import LogTail

# What bytes of a character after its first one have in common, in UTF-8.
_CONTINUES = 0b1000_0000
_CONTINUES_MASK = 0b1100_0000


class TailBuffer:
    """Takes all of a stream and holds on to its end, in about twice the memory of that."""

    def __init__(self, limit: int) -> None:
        """`limit` is in bytes, and at least 1."""
        self._limit = limit
        self._held = bytearray()
        self._dropped = False

    def add(self, chunk: bytes) -> None:
        """Take what comes next."""
        self._held += chunk
        # Not at each chunk: what is left would be moved every time.
        if len(self._held) >= 2 * self._limit:
            self._cut()

    def end(self) -> tuple[str, bool]:
        """Return the end as text, and whether there was more before it."""
        self._cut()
        return _decoded(bytes(self._held), self._limit, cut=self._dropped)

    def _cut(self) -> None:
        if len(self._held) > self._limit:
            del self._held[: -self._limit]
            self._dropped = True


def last_bytes(tail: LogTail, limit: int) -> LogTail:
    """Return at most so many bytes of a tail: its last ones."""
    buffer = TailBuffer(limit)
    buffer.add(tail.text.encode())
    text, cut = buffer.end()
    return msgspec.structs.replace(tail, text=text, truncated=True) if cut else tail


def last_lines(tail: LogTail, lines: int) -> LogTail:
    """Return at most so many lines of a tail: its last ones."""
    start = begin_of_lines(tail.text, lines, "\n")
    if start == 0:
        return tail
    return msgspec.structs.replace(tail, text=tail.text[start:], truncated=True)


def begin_of_lines(text: AnyStr, lines: int, line_break: AnyStr) -> int:
    """Return where the last lines of a text begin; 0 where it has no more than those."""
    # As if a line break stood behind the last line, which may have its own.
    start = len(text) + (not text.endswith(line_break))
    for _ in range(lines):
        start = text.rfind(line_break, 0, max(0, start - 1)) + 1
        if start == 0:
            break
    return min(start, len(text))


def _decoded(held: bytes, limit: int, *, cut: bool) -> tuple[str, bool]:
    text = _whole_characters(held, cut=cut).decode(errors="replace")
    encoded = text.encode()
    if len(encoded) <= limit:
        return text, cut
    # The sign for what can't be decoded takes three bytes, in the place of one.
    return _whole_characters(encoded[-limit:], cut=True).decode(), True


def _whole_characters(held: bytes, *, cut: bool) -> bytes:
    """Return bytes without what a cut left of a character at their beginning."""
    start = 0
    # Four bytes make a character at most.
    while cut and start < min(3, len(held)) and held[start] & _CONTINUES_MASK == _CONTINUES:
        start += 1
    return held[start:]
