"""The profile `light`, started and used as a person does."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from support.caller import Caller
from support.example_runs import ends_as_its_readme_says
from support.stack import Stack, a_stack
from tools.testbed.engine.client import Docker

pytestmark = [
    pytest.mark.engine,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("stack"),
    # The first one builds the images.
    pytest.mark.timeout(900),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(docker: Docker, compose_program: Path) -> AsyncIterator[Stack]:
    async with a_stack(docker, compose_program) as stack:
        await stack.make("compose-up", "PROFILES=light")
        yield stack
    assert await stack.left_behind() == []


@pytest_asyncio.fixture(loop_scope="module")
async def caller(stack: Stack, session: aiohttp.ClientSession) -> Caller:
    return Caller(stack.url, session)


async def test_it_is_one_container_that_is_ready(stack: Stack) -> None:
    assert await stack.states() == {"standalone": "healthy"}


async def test_the_demo_computes_a_tour(stack: Stack) -> None:
    printed = await stack.make("demo", f"NEXUS_URL={stack.url}")
    assert "COMPLETED" in printed
    assert "A tour of 52 places" in printed


@pytest.mark.parametrize("algorithm", ["hello-world", "fan-out", "fails", "out-of-memory"])
async def test_an_example_ends_as_its_readme_says(caller: Caller, algorithm: str) -> None:
    result = await ends_as_its_readme_says(caller, algorithm)
    if result["resultUri"]:
        assert result["resultUri"].startswith(f"{caller.url}/data/v1/results/")


async def test_runs_outlive_the_containers(stack: Stack, caller: Caller) -> None:
    before = await ends_as_its_readme_says(caller, "hello-world")

    await stack.make("compose-down")
    assert await stack.states() == {}
    await stack.make("compose-up", "PROFILES=light")

    after = await caller.finished("hello-world", before["requestId"])
    assert after["status"] == "COMPLETED"
    assert await caller.fetch(after["resultUri"]) == {"greeting": "Hello, Ada!"}
    # Its secret is in the volume, too: URLs that were handed out before open the same.
    assert await caller.fetch(before["resultUri"]) == {"greeting": "Hello, Ada!"}


async def test_after_cleaning_nothing_is_known_of_earlier_runs(
    stack: Stack, caller: Caller
) -> None:
    await ends_as_its_readme_says(caller, "hello-world")

    await stack.make("compose-clean")
    assert await stack.left_behind() == []
    await stack.make("compose-up", "PROFILES=light")

    assert await caller.runs() == []
