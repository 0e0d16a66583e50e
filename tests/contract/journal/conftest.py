"""Every adapter of the journal, and the one that tests of its users take."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from nexus_core.ports.clock import Clock
from nexus_core.ports.journal import Journal
from support.every_store import EVERY_STORE, opener
from support.memory_journal import MemoryJournal


@pytest.fixture(params=["memory", *EVERY_STORE])
async def journal(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Clock
) -> AsyncIterator[Journal]:
    if request.param == "memory":
        yield MemoryJournal()
        return
    async with opener(request)(tmp_path, clock) as stores:
        yield stores.journal
