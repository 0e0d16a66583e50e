from collections.abc import AsyncIterator

import pytest

from support.calls import Client
from support.receiver_client import ReceiverClient
from support.services import World


@pytest.fixture
async def client(world: World) -> AsyncIterator[Client]:
    """A client of a scheduler. To be asked for before the receiver, which then closes first."""
    async with world.scheduler() as url:
        yield Client(world.session, url)


@pytest.fixture
async def receiver(world: World) -> AsyncIterator[ReceiverClient]:
    async with world.receiver() as url:
        yield ReceiverClient(world.session, url)
