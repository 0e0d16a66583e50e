"""Many writers on the same runs: over two sessions, and over connections that are cut."""

import asyncio
from datetime import timedelta

import pytest
from msgspec.structs import replace

from nexus_core.adapters.cassandra.connect import DriverName, open_session
from nexus_core.adapters.cassandra.driver_session import Limits
from nexus_core.adapters.cassandra.plan import Plan
from nexus_core.adapters.cassandra.stores import CassandraStores, Variant, open_cassandra_stores
from nexus_core.domain.names import RunKey
from support.clock import ManualClock
from support.gate import Gate
from support.runs import LONG_AGO
from support.waiting import until
from support.writers import Writers

pytestmark = pytest.mark.integration

# Short, so that a connection that is cut holds nobody up for long.
HASTY = Limits(in_flight=64, request_seconds=1.0, patience_seconds=2.0, tries=2)


async def open_now(stores: CassandraStores, cluster: str) -> set[RunKey]:
    later = LONG_AGO + timedelta(days=1)
    return {run.key for run in await stores.index.open_runs(cluster, later, 1000)}


@pytest.mark.parametrize("seed", range(3))
async def test_everybody_is_told_the_truth(
    plan: Plan, stores: CassandraStores, variant: Variant, clock: ManualClock, seed: int
) -> None:
    async with (
        open_session(plan, HASTY, DriverName.ACSYLLA) as session,
        open_cassandra_stores(session, clock, variant) as others,
    ):
        writers = Writers([stores.checkpoints, others.checkpoints], runs=20, seed=seed)
        await writers.work()

    assert writers.refused == 0
    await writers.check(stores.checkpoints)
    assert await open_now(stores, writers.cluster) == set()


@pytest.mark.parametrize("seed", range(2))
async def test_everybody_is_told_the_truth_while_connections_are_cut(
    plan: Plan, stores: CassandraStores, variant: Variant, clock: ManualClock, seed: int
) -> None:
    gate = Gate(plan.hosts[0], plan.port)
    await gate.open()
    behind = replace(plan, hosts=(gate.host,), port=gate.port)
    try:
        async with (
            open_session(behind, HASTY, DriverName.ACSYLLA) as session,
            open_cassandra_stores(session, clock, variant) as cut_off,
        ):
            writers = Writers([stores.checkpoints, cut_off.checkpoints], runs=60, seed=seed)
            working = asyncio.create_task(writers.work())
            for _ in range(3):
                # Some requests are on their way there, some answers on their way back.
                await _passes(gate, 40_000, working)
                gate.shut()
                await gate.open()
            await working
    finally:
        gate.shut()

    await writers.check(stores.checkpoints)
    still_open = await open_now(stores, writers.cluster)
    for run in writers.runs:
        found = await stores.checkpoints.find(run.key)
        unfinished = found is not None and not found.lifecycle_stage.finished
        assert (run.key in still_open) == (unfinished and writers.job(run) is not None)


async def _passes(gate: Gate, some: int, working: asyncio.Task[None]) -> None:
    enough = gate.passed_on + some
    await until(lambda: gate.passed_on >= enough or working.done())
