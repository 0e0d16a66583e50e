"""Sweeps and removal on Cassandra, with few finished runs and with many."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import NamedTuple

import psutil

from benchmarks.real.finished import fill_finished
from benchmarks.real.ground import Ground, keyspace
from benchmarks.removals import RemovalCost, measure_removal
from benchmarks.sweeps import Cpu, SweptStore, TurnedClock, sweep_in_turns
from nexus_core.adapters.cassandra.acsylla_driver import open_driver
from nexus_core.adapters.cassandra.driver_session import DriverSession, Limits
from nexus_core.adapters.cassandra.session import Outcome, Row, Statement, Value, Write
from nexus_core.adapters.cassandra.stores import Variant, open_cassandra_stores
from nexus_core.composition.checkpoint_stores import CheckpointStores

OURS, SERVERS = "ours", "Cassandra"

_FEW = 1_000

_RECORDS = 5_000
"""Removed of the many."""

_LIMITS = Limits(in_flight=256, request_seconds=30, patience_seconds=60, tries=3)


class Swept(NamedTuple):
    """What was measured."""

    stores: Sequence[SweptStore]
    """That with few finished runs, and that with many."""
    removal: RemovalCost
    filled_in: float
    """Seconds that it took to write the many."""


async def sweeping(ground: Ground, rows: int, rounds: int) -> Swept:
    """Sweep two keyspaces of one server in turn; then remove records of the larger one."""
    async with AsyncExitStack() as stack:
        stores = []
        for count in (_FEW, rows):
            own = replace(ground, name=f"{ground.name}_{count}")
            await stack.enter_async_context(keyspace(own))
            session = await stack.enter_async_context(_counted_session(own))
            began = time.perf_counter()
            await fill_finished(session, count)
            filled_in = time.perf_counter() - began
            stores.append(await stack.enter_async_context(_opened(f"{count:,}", own, session)))
        await sweep_in_turns(stores, rounds)
        return Swept(stores, await measure_removal(stores[-1], _RECORDS), filled_in)


class CountedSession(DriverSession):
    """Counts the requests that it is asked for."""

    requests = 0

    async def execute(
        self, statement: Statement, values: Sequence[Value] = (), *, within: float | None = None
    ) -> list[Row]:
        self.requests += 1
        return await super().execute(statement, values, within=within)

    async def apply(
        self, statement: Statement, values: Sequence[Value] = (), *, within: float | None = None
    ) -> Outcome:
        self.requests += 1
        return await super().apply(statement, values, within=within)

    async def batch(self, writes: Sequence[Write], *, within: float | None = None) -> None:
        self.requests += 1
        await super().batch(writes, within=within)


@asynccontextmanager
async def _counted_session(ground: Ground) -> AsyncIterator[CountedSession]:
    plan = ground.plan(ground.name)
    driver = await open_driver(plan)
    try:
        yield CountedSession(driver, keyspace=plan.keyspace, name=plan.name, limits=_LIMITS)
    finally:
        await driver.close()


@asynccontextmanager
async def _opened(name: str, ground: Ground, session: CountedSession) -> AsyncIterator[SweptStore]:
    clock = TurnedClock()
    server = psutil.Process(ground.cassandra.pid)

    def cpu() -> Cpu:
        theirs = server.cpu_times()
        return {OURS: time.process_time(), SERVERS: theirs.user + theirs.system}

    async with open_cassandra_stores(session, clock, Variant(indexed=True)) as opened:
        stores = CheckpointStores(
            store=opened.checkpoints,
            index=opened.index,
            leases=opened.leases,
            journal=opened.journal,
            election=opened.election,
            retention=opened.retention,
        )
        yield SweptStore(
            name=name, stores=stores, clock=clock, queries=lambda: session.requests, cpu=cpu
        )
