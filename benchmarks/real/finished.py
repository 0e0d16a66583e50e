"""Filling a keyspace with finished runs, as sweeps leave them, faster than running them would."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice

import uuid_utils

from nexus_core.adapters.cassandra.days_and_minutes import minute_of
from nexus_core.adapters.cassandra.endings import ending
from nexus_core.adapters.cassandra.finished_runs import listing
from nexus_core.adapters.cassandra.merged_pages import Entry
from nexus_core.adapters.cassandra.rows import checkpoint_row
from nexus_core.adapters.cassandra.session import CqlSession, Statement, Write
from nexus_core.adapters.cassandra.statements import FirstWrites
from nexus_core.domain.checkpoint import Checkpoint
from nexus_core.domain.stages import Stage

_A_MINUTE = 1_000
"""Runs that were received in the same minute."""

_IN_FLIGHT = 256
_BATCH = 50
"""Rows of one partition that are written together."""

_ALGORITHM = "hello-world"

_INSERT = FirstWrites(stamped=False).checkpoint


async def fill_finished(session: CqlSession, rows: int) -> None:
    """Write so many finished runs with all that leads to them, received over the last days.

    Rows are as small as they may be, and take their place in the lists by batches of a partition:
    it is their number that matters. They ended in the minute in which they were received.
    """
    now = datetime.now(UTC) - timedelta(minutes=rows // _A_MINUTE + 10)
    writes = _writes(minute_of(now), rows)

    async def write() -> None:
        for some in writes:
            if len(some) == 1:
                await session.execute(*some[0])
            else:
                await session.batch(some)

    async with asyncio.TaskGroup() as group:
        for number in range(_IN_FLIGHT):
            group.create_task(write(), name=f"fill {number}")


def _writes(since: datetime, rows: int) -> Iterator[Sequence[Write]]:
    for number in range(0, rows, _A_MINUTE):
        minute = since + timedelta(minutes=number // _A_MINUTE)
        entries = [
            Entry(minute + timedelta(milliseconds=one), str(uuid_utils.uuid7()), _ALGORITHM)
            for one in range(min(_A_MINUTE, rows - number))
        ]
        for entry in entries:
            yield [(_INSERT, checkpoint_row(_run(entry)))]
        yield from _by_partition(entries)


def _run(entry: Entry) -> Checkpoint:
    return Checkpoint(
        algorithm=entry.algorithm,
        id=entry.request_id,
        lifecycle_stage=Stage.COMPLETED,
        received_at=entry.received_at,
        last_modified=entry.received_at,
    )


def _by_partition(entries: Sequence[Entry]) -> Iterator[Sequence[Write]]:
    """Return what leads to the runs of a minute, a few rows of one table and list at a time."""
    tables: dict[tuple[Statement, str], dict[Write, None]] = {}
    for entry in entries:
        for write in listing(entry, Stage.COMPLETED):
            statement, (_, of, *_) = write
            tables.setdefault((statement, str(of)), {})[write] = None
        for write in ending(entry, entry.received_at):
            tables.setdefault((write[0], ""), {})[write] = None
    for writes in tables.values():
        waiting = iter(writes)
        while batch := list(islice(waiting, _BATCH)):
            yield batch
