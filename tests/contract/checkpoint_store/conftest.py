"""Every adapter of the store's first three ports, and what explorations run on in their place."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from nexus_core.ports.checkpoint_store import CheckpointStore
from nexus_core.ports.clock import Clock
from nexus_core.ports.lease_store import LeaseStore
from nexus_core.ports.run_index import RunIndex
from support.every_store import EVERY_STORE, OpenStores, Stores, opener
from support.exploring import at_once
from support.memory_stores import MemoryStore


@asynccontextmanager
async def memory_stores(_: Path, clock: Clock) -> AsyncIterator[Stores]:
    store = at_once(MemoryStore(clock))
    others: Any = {"journal": None, "election": None, "retention": None}
    yield Stores(store, store, store, tick=timedelta(microseconds=1), **others)


@pytest.fixture(params=["memory", *EVERY_STORE])
def open_stores(request: pytest.FixtureRequest) -> OpenStores:
    return memory_stores if request.param == "memory" else opener(request)


@pytest.fixture
def tick(stores: Stores) -> timedelta:
    return stores.tick


@pytest.fixture
def store(stores: Stores) -> CheckpointStore:
    return stores.checkpoints


@pytest.fixture
def index(stores: Stores) -> RunIndex:
    return stores.index


@pytest.fixture
def leases(stores: Stores) -> LeaseStore:
    return stores.leases
