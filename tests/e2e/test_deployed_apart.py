"""Scheduler and receiver as processes of their own, which meet in the store and over HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.apart import Apart, on_a_folder


@pytest.fixture
async def apart(tmp_path: Path) -> AsyncIterator[Apart]:
    async with on_a_folder(tmp_path) as services:
        await services.start("SCHEDULER", "RECEIVER")
        yield services
        assert set((await services.stop()).values()) == {0}


async def test_a_run_goes_through_both_and_its_client_hears_of_it(apart: Apart) -> None:
    request_id = await apart.submit("hello-world", {"algorithmParameters": {"name": "Ada"}})
    result = await apart.finished("hello-world", request_id)
    assert result["status"] == "COMPLETED"
    assert await apart.fetch(result["resultUri"]) == {"greeting": "Hello, Ada!"}
