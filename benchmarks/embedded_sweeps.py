"""Sweeps and removal on SQLite, with few finished runs and with many."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TypeVar

import uvloop

from benchmarks.removals import RemovalCost, measure_removal
from benchmarks.sweeps import SweptStore, TurnedClock, sweep_in_turns
from nexus_core.adapters.sqlite.batches import Operation
from nexus_core.adapters.sqlite.checkpoint_store import SqliteCheckpointStore
from nexus_core.adapters.sqlite.database import SqliteDatabase
from nexus_core.adapters.sqlite.journal import SqliteJournal
from nexus_core.adapters.sqlite.lane import Lane
from nexus_core.adapters.sqlite.leader_election import SqliteLeaderElection
from nexus_core.adapters.sqlite.lease_store import SqliteLeaseStore
from nexus_core.adapters.sqlite.retention import SqliteRetention
from nexus_core.adapters.sqlite.run_index import SqliteRunIndex
from nexus_core.composition.checkpoint_stores import CheckpointStores
from nexus_core.telemetry.logging import LogFormat, LogLevel, configure_logging

T = TypeVar("T")

_RECORDS = 10_000
"""Removed of the many. Enough that the file's caches are not what is measured."""

OURS = "ours"


class CountedDatabase(SqliteDatabase):
    """Counts the operations that it is asked for."""

    def __init__(self, path: Path, writes: Lane, lookups: Lane, lists: Lane) -> None:
        super().__init__(path, writes, lookups, lists)
        self.operations = 0

    async def write(self, operation: Operation[T]) -> T:
        self.operations += 1
        return await super().write(operation)

    async def look_up(self, operation: Operation[T]) -> T:
        self.operations += 1
        return await super().look_up(operation)

    async def list(self, operation: Operation[T]) -> T:
        self.operations += 1
        return await super().list(operation)


def measure_sweeps(files: dict[str, Path], rounds: int) -> tuple[list[SweptStore], RemovalCost]:
    """Sweep stores in turn, named by what they have; then remove records of the last one."""
    configure_logging("bench-sweeps", LogLevel.ERROR, LogFormat.JSON)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_measure(files, rounds))


async def _measure(files: dict[str, Path], rounds: int) -> tuple[list[SweptStore], RemovalCost]:
    async with AsyncExitStack() as stack:
        stores: Sequence[SweptStore] = [
            await stack.enter_async_context(_opened(name, file)) for name, file in files.items()
        ]
        await sweep_in_turns(stores, rounds)
        return list(stores), await measure_removal(stores[-1], _RECORDS)


@asynccontextmanager
async def _opened(name: str, file: Path) -> AsyncIterator[SweptStore]:
    clock = TurnedClock()
    async with CountedDatabase.open(file) as database:
        stores = CheckpointStores(
            store=SqliteCheckpointStore(database, clock),
            index=SqliteRunIndex(database),
            leases=SqliteLeaseStore(database),
            journal=SqliteJournal(database, clock),
            election=SqliteLeaderElection(database, clock),
            retention=SqliteRetention(database),
        )
        yield SweptStore(
            name=name,
            stores=stores,
            clock=clock,
            queries=lambda: database.operations,
            cpu=lambda: {OURS: time.process_time()},
        )
