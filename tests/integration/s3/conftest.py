"""Payload stores in the bucket of the testbed."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest

from nexus_core.adapters.s3.payload_store import S3PayloadStore
from support.s3 import OwnServer, a_prefix, open_s3_store, s3_settings
from tools.testbed.description import S3Description
from tools.testbed.s3.server import S3Server


@pytest.fixture
def prefix() -> str:
    return a_prefix()


@pytest.fixture
async def store(s3_server: S3Description, prefix: str) -> AsyncIterator[S3PayloadStore]:
    async with open_s3_store(s3_settings(s3_server, prefix)) as store:
        yield store


@pytest.fixture
async def plain() -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client that knows nothing of S3, and no credentials."""
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def own(tmp_path: Path, s3_server: S3Description) -> AsyncIterator[OwnServer]:
    """A server that the test may end; asked for only where the testbed has one too."""
    assert s3_server.endpoint
    server = S3Server(tmp_path / "s3")
    try:
        description = await server.start()
        settings = s3_settings(description, timeout=timedelta(seconds=5))
        yield OwnServer(server, description, settings)
    finally:
        if server.alive:
            await server.kill()
