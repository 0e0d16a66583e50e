"""A scheduler on real stores, with a cluster and a clock that the test directs."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.calls import Client
from support.clock import ManualClock
from support.services import World, open_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as world:
        yield world


@pytest.fixture
async def api(world: World) -> AsyncIterator[Client]:
    """A scheduler with default settings, in a world whose time passes by itself."""
    async with world.scheduler() as url:
        yield Client(world.session, url)
        # Or closing would wait for launches that a test has kept waiting.
        world.cluster.open_gate.set()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def still_world(tmp_path: Path, clock: ManualClock) -> AsyncIterator[World]:
    """A world in which time passes only when the test turns its `clock`."""
    async with open_world(tmp_path, clock) as world:
        yield world
