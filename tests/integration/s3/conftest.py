"""Payload stores in the bucket of the testbed."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from nexus_core.adapters.s3.payload_store import S3PayloadStore
from support.s3 import a_prefix, open_s3_store, s3_settings
from tools.testbed.description import S3Description


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
