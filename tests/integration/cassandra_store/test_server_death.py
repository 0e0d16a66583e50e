"""A server of its own that is killed and frozen while runs are written to it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from nexus_core.adapters.cassandra.connect import DriverName, open_session
from nexus_core.adapters.cassandra.driver_session import Limits
from nexus_core.adapters.cassandra.schema.steps import read_steps
from nexus_core.adapters.cassandra.stores import CassandraStores, open_cassandra_stores
from nexus_core.domain.errors import UnavailableError
from support.cassandra import make_keyspace, plan_of
from support.cassandra_stores import UNINDEXED
from support.clock import ManualClock
from support.runs import LONG_AGO
from support.waiting import until
from support.writers import Writers
from tools.testbed.cassandra.server import CassandraServer
from tools.testbed.description import CassandraDescription

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

HASTY = Limits(in_flight=64, request_seconds=1.0, patience_seconds=2.0, tries=2)


class Mortal:
    """A server, and how it goes and comes back."""

    def __init__(self, server: CassandraServer, description: CassandraDescription) -> None:
        self.server = server
        self.description = description

    async def leave(self, way: str) -> None:
        if way == "frozen":
            await self.server.freeze()
        elif way == "stopped":
            # In order: all goes to files, and is read from them when it comes back.
            await self.server.stop()
        else:
            await self.server.kill()

    async def come_back(self, way: str) -> None:
        if way == "frozen":
            self.server.thaw()
        else:
            await self.server.start()


@pytest.fixture
async def mortal(tmp_path: Path) -> AsyncIterator[Mortal]:
    server = CassandraServer(tmp_path)
    yield Mortal(server, await server.start())
    if server.alive:
        server.thaw()
        await server.kill()


async def answers(stores: CassandraStores) -> None:
    for _ in range(600):
        try:
            await stores.checkpoints.ping()
        except UnavailableError:
            await asyncio.sleep(0.1)
        else:
            return
    pytest.fail("the store did not come back")


async def test_what_was_answered_outlives_the_server_and_the_rest_can_be_repeated(
    mortal: Mortal, clock: ManualClock
) -> None:
    steps = read_steps(indexed=False)
    statements = [statement for step in steps for statement in step.statements]
    keyspace = await make_keyspace(mortal.description, *statements)
    async with (
        open_session(plan_of(mortal.description, keyspace), HASTY, DriverName.ACSYLLA) as session,
        open_cassandra_stores(session, clock, UNINDEXED) as stores,
    ):
        for way in ("killed", "frozen", "stopped"):
            writers = Writers([stores.checkpoints], runs=60, seed=1)
            working = asyncio.create_task(writers.work())
            await until(lambda: len(writers.accepted) >= 20)  # noqa: B023 - awaited here
            await mortal.leave(way)
            with pytest.raises(UnavailableError):
                await stores.checkpoints.ping()
            await mortal.come_back(way)
            await working
            await answers(stores)
            # A pause costs time and no run; who asks a dead server is told so.
            assert way == "frozen" or writers.refused > 0
            await writers.check(stores.checkpoints)

            # Whoever was refused asks again, and all is as if nothing had been.
            await writers.work()
            assert writers.refused == 0
            assert writers.accepted == {run.key for run in writers.runs}
            await writers.check(stores.checkpoints)
            later = LONG_AGO + timedelta(days=1)
            assert await stores.index.open_runs(writers.cluster, later, 1000) == []
    # What it wrote to its files, it could read again.
    assert "Corrupt" not in (mortal.server.folder / "cassandra.log").read_text()
