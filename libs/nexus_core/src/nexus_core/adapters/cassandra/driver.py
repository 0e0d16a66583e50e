"""What the two drivers have to do; all else is done once, in `driver_session`."""

from collections.abc import Sequence
from enum import Enum
from typing import Any, Protocol

from msgspec import Struct

from nexus_core.adapters.cassandra.session import Row, Statement, Value


class Fault(Enum):
    """What an error of a driver says of what was asked."""

    NOT_SENT = "not sent"
    """Nothing reached a server that could act on it."""
    REFUSED = "refused"
    """A server answered that it did nothing, and may answer otherwise in a moment."""
    UNKNOWN = "unknown"
    """It was sent; nobody knows what became of it."""
    UNUSABLE = "unusable"
    """It will fail in the same way until somebody repairs something."""


class Answer(Struct, frozen=True, gc=False):
    """A page of rows."""

    columns: Sequence[str]
    rows: list[Row]
    page_state: bytes | None
    """Where the next page begins; None: there is none."""


class Ask(Struct, frozen=True, gc=False):
    """How a statement is to be run."""

    seconds: float
    """When the driver gives up."""
    page_size: int = 1000
    page_state: bytes | None = None


Prepared = Any
"""What a driver made of a statement; it alone looks into it."""


class Driver(Protocol):
    """A connected driver. It repeats nothing by itself; every call ends within its seconds.

    Calls raise the driver's own errors, which `fault_of` explains.
    """

    async def prepare(self, statement: Statement, seconds: float) -> Prepared:
        """Let the servers prepare a statement."""

    async def execute(self, prepared: Prepared, values: Sequence[Value], ask: Ask) -> Answer:
        """Run a prepared statement once."""

    async def batch(
        self, writes: Sequence[tuple[Prepared, Sequence[Value]]], seconds: float
    ) -> None:
        """Run a logged batch once."""

    async def define(self, cql: str, seconds: float) -> None:
        """Run a statement that changes the schema, and wait until the nodes agree on it."""

    def fault_of(self, error: Exception) -> tuple[Fault, str] | None:
        """Return what an error means, and it in words; None when it is none of this driver's."""

    async def close(self) -> None:
        """Close all connections; what is under way fails."""
