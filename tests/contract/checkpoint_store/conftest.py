"""Every adapter of the three ports that share a store. Another adapter is another param."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from nexus_core.adapters.sqlite.checkpoint_store import SqliteCheckpointStore
from nexus_core.adapters.sqlite.database import SqliteDatabase
from nexus_core.adapters.sqlite.lease_store import SqliteLeaseStore
from nexus_core.adapters.sqlite.run_index import SqliteRunIndex
from nexus_core.ports.checkpoint_store import CheckpointStore
from nexus_core.ports.clock import Clock
from nexus_core.ports.lease_store import LeaseStore
from nexus_core.ports.run_index import RunIndex
from support.clock import ManualClock


@dataclass(frozen=True)
class Stores:
    checkpoints: CheckpointStore
    index: RunIndex
    leases: LeaseStore


OpenStores = Callable[[Path, Clock], AbstractAsyncContextManager[Stores]]


@asynccontextmanager
async def sqlite_stores(folder: Path, clock: Clock) -> AsyncIterator[Stores]:
    async with SqliteDatabase.open(folder / "nexus.db") as database:
        yield Stores(
            SqliteCheckpointStore(database, clock),
            SqliteRunIndex(database),
            SqliteLeaseStore(database),
        )


@pytest.fixture(params=[sqlite_stores], ids=["sqlite"])
def open_stores(request: pytest.FixtureRequest) -> OpenStores:
    opener: OpenStores = request.param
    return opener


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def stores(
    open_stores: OpenStores, tmp_path: Path, clock: ManualClock
) -> AsyncIterator[Stores]:
    async with open_stores(tmp_path, clock) as opened:
        yield opened


@pytest.fixture
def store(stores: Stores) -> CheckpointStore:
    return stores.checkpoints


@pytest.fixture
def index(stores: Stores) -> RunIndex:
    return stores.index


@pytest.fixture
def leases(stores: Stores) -> LeaseStore:
    return stores.leases
