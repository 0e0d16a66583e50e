"""What holds for all tests, and the fixtures that most of them share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import settings

from support.clock import ManualClock
from support.services import World, open_world
from support.trouble import Trouble

pytest_plugins = [
    "support.testbed",
    "support.engine",
    "support.helm",
    "support.cassandra_stores",
    "support.every_store",
]

# A busy machine would fail sound code by the clock; what hangs, the timeout of all tests ends.
settings.register_profile("nexus", deadline=None)
settings.load_profile("nexus")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="write the golden files anew instead of comparing with them; then read the diff",
    )


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def trouble() -> Trouble:
    return Trouble()


@pytest.fixture
async def world(tmp_path: Path, trouble: Trouble, clock: ManualClock) -> AsyncIterator[World]:
    """What services share; time stands still in it, and its stores get into `trouble`."""
    async with open_world(tmp_path, clock) as world:
        world.stores = trouble.befalls(world.stores)
        yield world
