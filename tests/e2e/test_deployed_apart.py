"""Scheduler and receiver as processes of their own, which meet in the store and over HTTP."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from support.caller import start_service
from support.standalone import Standalone


@pytest.fixture
async def apart(standalone: Standalone) -> AsyncIterator[Standalone]:
    """Start the two on one data folder; give the standalone that they stand for."""
    addresses = {
        name: f"http://{standalone.host}:{port}" for name, port in standalone.ports.items()
    }
    processes = []
    for name in ("SCHEDULER", "RECEIVER"):
        environment = {
            key: value for key, value in standalone.environment().items() if "__LISTEN__" not in key
        } | {
            "NEXUS__LISTEN__HOST": standalone.host,
            "NEXUS__LISTEN__PORT": str(standalone.ports[name]),
            "NEXUS__SCHEDULER_URL": addresses["SCHEDULER"],
            "NEXUS__RECEIVER_URL": addresses["RECEIVER"],
        }
        process = await start_service(f"nexus_{name.lower()}", environment)
        processes.append(process)
        await standalone.ready(addresses[name], process)
    yield standalone
    for process in processes:
        process.terminate()
    codes = await asyncio.gather(*(process.wait() for process in processes))
    assert codes == [0, 0]


async def test_a_run_goes_through_both_and_its_client_hears_of_it(apart: Standalone) -> None:
    request_id = await apart.submit("hello-world", {"algorithmParameters": {"name": "Ada"}})
    result = await apart.finished("hello-world", request_id)
    assert result["status"] == "COMPLETED"
    assert await apart.fetch(result["resultUri"]) == {"greeting": "Hello, Ada!"}
