"""Kinds of setting: numbers in bounds, and what YAML and the environment only write as text."""

from typing import Annotated, Self

from msgspec import Meta

from nexus_core.domain.durations import parse_duration
from nexus_core.domain.quantities import parse_quantity

Port = Annotated[int, Meta(ge=0, le=65535)]
Positive = Annotated[int, Meta(ge=1)]
Text = Annotated[str, Meta(min_length=1)]
"""Text that means something else, or nothing at all, when it is empty: an empty variable says
nothing then. An empty host to listen on, for one, would be all networks."""
Url = Annotated[str, Meta(pattern=r"^(https?://[^/?#\s]|$)")]
"""Where a service is reached; empty where there is a default. Without its scheme it would look like
a host's name, and no algorithm or client could use what is made of it."""


class Duration(float):
    """Seconds, written as a Go duration: `100ms`, `30s`, `1h30m`."""

    @classmethod
    def parse(cls, written: object) -> Self:
        """Read a duration; a bare number is refused, since its unit would be a guess.

        It may not be negative.
        """
        seconds = parse_duration(str(written)).total_seconds()
        if seconds < 0:
            raise ValueError("must not be negative")
        return cls(seconds)


class Interval(Duration):
    """Seconds after which something is done again, for ever: without any, it would never rest."""

    LEAST = 0.1

    @classmethod
    def parse(cls, written: object) -> Self:
        """Read an interval; it may not be shorter than `LEAST`."""
        interval = super().parse(written)
        if interval < cls.LEAST:
            raise ValueError("must be 100ms or more, since it is waited for again and again")
        return interval


class ByteSize(int):
    """Bytes, written as a Kubernetes quantity: `500Mi`, `1Gi`, `4096`."""

    @classmethod
    def parse(cls, written: object) -> Self:
        """Read a size; it may not be negative."""
        if not isinstance(written, str | int | float):
            raise ValueError("must be a quantity such as 500Mi")  # noqa: TRY004 - one kind of error
        size = int(parse_quantity(written))
        if size < 0:
            raise ValueError("must not be negative")
        return cls(size)


class RowSize(ByteSize):
    """Bytes that a row of any store takes beside what else is in it."""

    MOST = 512 * 1024

    @classmethod
    def parse(cls, written: object) -> Self:
        """Read a size; it may not be larger than `MOST`."""
        size = super().parse(written)
        if size > cls.MOST:
            raise ValueError("must be at most 512Ki, since it is kept in a row")
        return size


class Secret(str):
    """Text that never shows itself in logs, tracebacks or a printed struct."""

    __slots__ = ()

    @classmethod
    def parse(cls, written: object) -> Self:
        """Take the text as it is."""
        return cls(str(written))

    def __repr__(self) -> str:
        return "Secret('***')" if self else "Secret('')"
