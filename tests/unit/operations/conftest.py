from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.clock import ManualClock
from support.services import World, open_world
from support.sweeping import Told
from support.trouble import Trouble


@pytest.fixture
def trouble() -> Trouble:
    return Trouble()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def world(tmp_path: Path, trouble: Trouble, clock: ManualClock) -> AsyncIterator[World]:
    async with open_world(tmp_path, clock) as world:
        world.stores = trouble.befalls(world.stores)
        yield world
