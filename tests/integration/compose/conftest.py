"""The tool of compose, built once like the testbed's servers."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from support.caller import PATIENCE
from support.required import cached
from tools import compose


@pytest.fixture(scope="session")
def compose_program() -> Path:
    return cached(compose.program)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(total=PATIENCE)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        yield session
