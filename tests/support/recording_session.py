"""A CQL session that writes down what it is asked for."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any

from nexus_core.adapters.cassandra.session import CqlSession, Row, Statement, Value, Write
from support.meddling import meddled


class Record:
    """Round trips, by what they were: `execute SELECT checkpoints`, `apply UPDATE checkpoints`."""

    def __init__(self) -> None:
        self.trips: Counter[str] = Counter()
        self.rows = 0
        """That came back."""

    def of(self, session: CqlSession) -> CqlSession:
        """Return the session, recorded from now on."""

        async def execute(statement: Statement, values: Sequence[Value] = (), **how: Any) -> Any:
            self.trips[f"execute {_what(statement)}"] += 1
            rows = await session.execute(statement, values, **how)
            self.rows += len(rows)
            return rows

        async def apply(statement: Statement, values: Sequence[Value] = (), **how: Any) -> Any:
            self.trips[f"apply {_what(statement)}"] += 1
            return await session.apply(statement, values, **how)

        async def batch(writes: Sequence[Write], **how: Any) -> None:
            tables = sorted({_what(statement).split()[-1] for statement, _ in writes})
            self.trips[f"batch {' '.join(tables)}"] += 1
            await session.batch(writes, **how)

        async def pages(
            statement: Statement, values: Sequence[Value] = (), **how: Any
        ) -> AsyncIterator[list[Row]]:
            async for page in session.pages(statement, values, **how):
                self.trips[f"page {_what(statement)}"] += 1
                self.rows += len(page)
                yield page

        return meddled(session, execute=execute, apply=apply, batch=batch, pages=pages)

    def taken(self) -> dict[str, int]:
        """Return the trips since the last time that was asked."""
        trips, self.trips = dict(self.trips), Counter()
        return trips


def _what(statement: Statement) -> str:
    words = statement.cql.split()
    verb = words[0]
    before = {"SELECT": "FROM", "DELETE": "FROM", "INSERT": "INTO", "UPDATE": "UPDATE"}[verb]
    return f"{verb} {words[words.index(before) + 1]}"
