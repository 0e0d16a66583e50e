"""Runs that are queued at one scheduler and cancelled at another."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import Stage
from nexus_core.web.server import bind
from support.calls import Client
from support.clock import ManualClock
from support.services import World, open_world
from support.stored_runs import store_run
from support.waiting import until


@dataclass
class Pair:
    """Two schedulers; the first one's queue stands still until it is let go."""

    world: World
    first: Client
    second: Client

    async def queue(self, parent: RunKey | None = None) -> RunKey:
        """Submit a run to the first scheduler, which can't start it."""
        body: dict[str, Any] = {}
        if parent:
            reference = {"requestId": parent.request_id, "algorithmName": parent.algorithm}
            body["parentRequest"] = reference
        key = await self.world.run(self.first.url, **body)
        await until(lambda: self.world.cluster.refused)
        return key

    async def let_go(self, clock: ManualClock) -> None:
        self.world.cluster.creation_refusal = None
        # Longer than the lane stays closed, shorter than what a scheduler takes for stale.
        await clock.advance(5)

    async def cancel(self, key: RunKey, policy: str = "Background") -> None:
        path = f"/algorithm/v1/cancel/{key.algorithm}/requests/{key.request_id}"
        answer = await self.second.post(path, {"initiator": "me", "cancellationPolicy": policy})
        assert answer.status == 200, answer


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def pair(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(open_world(tmp_path, clock))
        beside = replace(world, address=stack.enter_context(bind("127.0.0.1", 0)))
        first = await stack.enter_async_context(world.scheduler(host_name="first"))
        second = await stack.enter_async_context(beside.scheduler(host_name="second"))
        world.cluster.creation_refusal = UnavailableError("too many requests")
        yield Pair(world, Client(world.session, first), Client(world.session, second))


async def later(pair: Pair, clock: ManualClock) -> None:
    """Return when the first scheduler has come past all that was queued before."""
    await pair.let_go(clock)
    behind = await pair.world.run(pair.first.url)
    await pair.world.reaches(behind, Stage.RUNNING)


async def test_a_run_that_is_cancelled_elsewhere_has_no_job_in_the_end(
    pair: Pair, clock: ManualClock
) -> None:
    key = await pair.queue()

    await pair.cancel(key)
    await later(pair, clock)

    await until(lambda: key not in pair.world.cluster.living)
    assert await pair.world.stage(key) is Stage.CANCELLED


async def test_a_child_whose_parent_is_cancelled_elsewhere_never_gets_a_job(
    pair: Pair, clock: ManualClock
) -> None:
    pair.world.cluster.creation_refusal = None
    parent = await store_run(pair.world, Stage.RUNNING)
    pair.world.cluster.creation_refusal = UnavailableError("too many requests")
    child = await pair.queue(parent)

    await pair.cancel(parent)
    await later(pair, clock)

    assert await pair.world.stage(child) is Stage.CANCELLED
    assert pair.world.cluster.creations[child] == 0


async def test_a_child_goes_on_whose_parent_is_cancelled_alone(
    pair: Pair, clock: ManualClock
) -> None:
    pair.world.cluster.creation_refusal = None
    parent = await store_run(pair.world, Stage.RUNNING)
    pair.world.cluster.creation_refusal = UnavailableError("too many requests")
    child = await pair.queue(parent)

    await pair.cancel(parent, "Orphan")
    await pair.let_go(clock)

    await pair.world.reaches(child, Stage.RUNNING)
    assert pair.world.cluster.living == {child}
