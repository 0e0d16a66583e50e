"""What the stores ask of a CQL driver, and nothing else; both drivers stand behind it.

Values are plain: `str`, `bytes`, `int`, `bool`, `datetime` (aware, UTC; the wire keeps
milliseconds, the rest is cut off), and sequences of those for `list`, and for `IN ?`. `None` binds
a null, which leaves a tombstone behind in an insert or update; `UNSET` leaves the column alone.
Results hold the same types: times are aware, in UTC, and an empty list reads as None.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Final, Protocol

from msgspec import Struct


class Unset(Enum):
    """The type of `UNSET`."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET
"""Bound in place of a value: the column keeps what it has, and no tombstone is written."""

Value = str | bytes | int | float | bool | datetime | Sequence[str] | Sequence[int] | None | Unset
Row = tuple[Value, ...]
"""The columns in the order in which the statement names them."""


class Consistency(Enum):
    """How many replicas have to agree."""

    LOCAL_QUORUM = "local-quorum"
    """Most of those in our data centre: what was written so is seen by what reads so."""
    LOCAL_SERIAL = "local-serial"
    """For reads: also finishes or discards what lightweight transactions left half done."""


class Statement(Struct, frozen=True):
    """One CQL statement with `?` for values, prepared once a session.

    Tables are named without their keyspace, which is the session's.
    """

    cql: str
    idempotent: bool = False
    """Twice is the same as once, whatever was written in between: the session may repeat it.

    Reads are, whatever is said here. A lightweight transaction never is.
    """
    consistency: Consistency = Consistency.LOCAL_QUORUM
    """Conditions of lightweight transactions are always checked at `LOCAL_SERIAL`."""

    @property
    def reads(self) -> bool:
        """Whether it changes nothing."""
        return self.cql.lstrip()[:6].upper() == "SELECT"


Write = tuple[Statement, Sequence[Value]]


class Outcome(Struct, frozen=True):
    """What became of a lightweight transaction."""

    applied: bool
    current: Mapping[str, Value]
    """When not applied: the columns that the server shows of the row, by name.

    Those of the condition, or for `IF NOT EXISTS` all; empty when there is no such row (Scylla then
    sends nulls). Do not read it when applied: Cassandra sends nothing then, Scylla the old row.
    """


class CqlSession(Protocol):
    """A session on one keyspace, for one event loop.

    Every call ends `within` so many seconds (the session's own patience when None), the waiting for
    a free place among the requests in flight included. Cancelling a call stops the wait and not
    the request: a write is then as unknown as after `OutcomeUnknownError`.

    Every call may raise:
        NotReachedError: no host could be asked, or a read got no answer; nothing has changed.
        RefusedError: the server did nothing, and said so.
        OutcomeUnknownError: a write that may or may not have happened.
        UnusableError: what the server knows does not fit what was asked; repeating is no help.
    """

    @property
    def keyspace(self) -> str:
        """The keyspace that statements speak of; empty: none, as for making one."""

    async def prepare(self, statements: Iterable[Statement]) -> None:
        """Prepare statements ahead of their use, so that a missing table shows at once."""

    async def execute(
        self, statement: Statement, values: Sequence[Value] = (), *, within: float | None = None
    ) -> list[Row]:
        """Run a statement; return all rows of it, which should be few (see `pages`)."""

    async def apply(
        self, statement: Statement, values: Sequence[Value] = (), *, within: float | None = None
    ) -> Outcome:
        """Run a lightweight transaction: a statement with `IF`."""

    async def batch(self, writes: Sequence[Write], *, within: float | None = None) -> None:
        """Run plain writes as one logged batch: all of them happen, or none.

        Repeated by the session when all of its statements are idempotent.
        """

    def pages(
        self,
        statement: Statement,
        values: Sequence[Value] = (),
        *,
        page_size: int,
        within: float | None = None,
    ) -> AsyncIterator[list[Row]]:
        """Run a read page by page, asking for the next only when the reader does.

        The time is a page's. A page may be empty and not be the last.
        """

    async def define(self, cql: str, *, within: float | None = None) -> None:
        """Run a statement that changes the schema; return when all nodes that are up agree."""

    async def ping(self) -> None:
        """Return when the server answers a read."""
