"""Every adapter of the store's first three ports."""

from datetime import timedelta

import pytest

from nexus_core.ports.checkpoint_store import CheckpointStore
from nexus_core.ports.lease_store import LeaseStore
from nexus_core.ports.run_index import RunIndex
from support.every_store import Stores


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
