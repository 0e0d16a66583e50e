from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.calls import Client
from support.clock import ManualClock
from support.receiver_client import ReceiverClient
from support.services import World, open_world
from support.trouble import Trouble


@pytest.fixture
def trouble() -> Trouble:
    return Trouble()


@pytest.fixture
async def world(tmp_path: Path, trouble: Trouble) -> AsyncIterator[World]:
    async with open_world(tmp_path, ManualClock()) as world:
        world.stores = trouble.befalls(world.stores)
        yield world


@pytest.fixture
async def client(world: World) -> AsyncIterator[Client]:
    """A client of a scheduler. To be asked for before the receiver, which then closes first."""
    async with world.scheduler() as url:
        yield Client(world.session, url)


@pytest.fixture
async def receiver(world: World) -> AsyncIterator[ReceiverClient]:
    async with world.receiver() as url:
        yield ReceiverClient(world.session, url)
