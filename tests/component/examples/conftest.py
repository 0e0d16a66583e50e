from collections.abc import AsyncIterator

import pytest

from support.tiny_nexus import TinyNexus


@pytest.fixture
async def nexus() -> AsyncIterator[TinyNexus]:
    async with TinyNexus.open() as nexus:
        yield nexus
