from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.clock import ManualClock
from support.services import World, open_world
from support.trouble import Trouble


@pytest.fixture
def trouble() -> Trouble:
    return Trouble()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def world(tmp_path: Path, trouble: Trouble, clock: ManualClock) -> AsyncIterator[World]:
    """Time stands still in it: no client finds a result by asking the store now and then."""
    async with open_world(tmp_path, clock) as world:
        world.stores = trouble.befalls(world.stores)
        yield world
