"""Every adapter of the ports that share a store. Another adapter is another param."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from nexus_core.adapters.cassandra.connect import DriverName, open_session
from nexus_core.adapters.cassandra.plan import Plan
from nexus_core.adapters.cassandra.stores import Variant, open_cassandra_stores
from nexus_core.adapters.sqlite.checkpoint_store import SqliteCheckpointStore
from nexus_core.adapters.sqlite.database import SqliteDatabase
from nexus_core.adapters.sqlite.journal import SqliteJournal
from nexus_core.adapters.sqlite.leader_election import SqliteLeaderElection
from nexus_core.adapters.sqlite.lease_store import SqliteLeaseStore
from nexus_core.adapters.sqlite.retention import SqliteRetention
from nexus_core.adapters.sqlite.run_index import SqliteRunIndex
from nexus_core.ports.checkpoint_store import CheckpointStore
from nexus_core.ports.clock import Clock
from nexus_core.ports.journal import Journal
from nexus_core.ports.leader_election import LeaderElection
from nexus_core.ports.lease_store import LeaseStore
from nexus_core.ports.retention import Retention
from nexus_core.ports.run_index import RunIndex
from support.cassandra import LIMITS, plan_of
from support.cassandra_stores import INDEXED, UNINDEXED, forget_all


@dataclass(frozen=True)
class Stores:
    checkpoints: CheckpointStore
    index: RunIndex
    leases: LeaseStore
    journal: Journal
    election: LeaderElection
    retention: Retention
    tick: timedelta
    """The least difference between two times that the store keeps apart."""


OpenStores = Callable[[Path, Clock], AbstractAsyncContextManager[Stores]]


@asynccontextmanager
async def sqlite_stores(folder: Path, clock: Clock) -> AsyncIterator[Stores]:
    async with SqliteDatabase.open(folder / "nexus.db") as database:
        yield Stores(
            SqliteCheckpointStore(database, clock),
            SqliteRunIndex(database),
            SqliteLeaseStore(database),
            SqliteJournal(database, clock),
            SqliteLeaderElection(database, clock),
            SqliteRetention(database),
            timedelta(microseconds=1),
        )


@asynccontextmanager
async def cassandra_stores(
    plan: Plan, variant: Variant, _: Path, clock: Clock
) -> AsyncIterator[Stores]:
    async with open_session(plan, LIMITS, DriverName.ACSYLLA) as session:
        await forget_all(session, indexed=variant.indexed)
        async with open_cassandra_stores(session, clock, variant) as stores:
            yield Stores(
                stores.checkpoints,
                stores.index,
                stores.leases,
                stores.journal,
                stores.election,
                stores.retention,
                timedelta(milliseconds=1),
            )


VARIANTS = {
    "cassandra-indexed": INDEXED,
    "cassandra-unindexed": UNINDEXED,
    "cassandra-as-keyspaces": replace(UNINDEXED, any_timestamp=False),
}


EVERY_STORE = (
    "sqlite",
    *(pytest.param(name, marks=pytest.mark.integration) for name in VARIANTS),
)


@pytest.fixture(params=EVERY_STORE)
def open_stores(request: pytest.FixtureRequest) -> OpenStores:
    return opener(request)


def opener(request: pytest.FixtureRequest) -> OpenStores:
    """Return what opens the stores that a fixture's param names."""
    if request.param == "sqlite":
        return sqlite_stores
    server = request.getfixturevalue("cassandra_server")
    variant = VARIANTS[request.param]
    kind = "indexed" if variant.indexed else "unindexed"
    plan = plan_of(server, request.getfixturevalue(f"{kind}_keyspace"))
    return partial(cassandra_stores, plan, variant)


@pytest.fixture
async def stores(open_stores: OpenStores, tmp_path: Path, clock: Clock) -> AsyncIterator[Stores]:
    async with open_stores(tmp_path, clock) as opened:
        yield opened
