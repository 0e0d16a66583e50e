"""Every adapter of the journal."""

import pytest

from nexus_core.ports.journal import Journal
from support.every_store import Stores


@pytest.fixture
def journal(stores: Stores) -> Journal:
    return stores.journal
