"""Every adapter of the port."""

import pytest

from nexus_core.ports.retention import Retention
from support.every_store import Stores


@pytest.fixture
def retention(stores: Stores) -> Retention:
    return stores.retention
