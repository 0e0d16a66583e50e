"""Every adapter of the port. Another adapter is another param."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from nexus_core.adapters.process.cluster import ProcessCluster
from nexus_core.ports.cluster import Cluster
from support.clock import ManualClock
from support.clusters import Witness
from support.processes import end_pods


@dataclass(frozen=True)
class Scene:
    """A cluster, one who follows it, and its time."""

    cluster: Cluster
    witness: Witness
    pass_time: Callable[[float], Awaitable[None]]
    """Let seconds pass for the cluster."""


OpenScene = Callable[[Path], AbstractAsyncContextManager[Scene]]


@asynccontextmanager
async def process_cluster(folder: Path) -> AsyncIterator[Scene]:
    clock = ManualClock()
    async with (
        ProcessCluster.open(folder, name="here", directory=folder, clock=clock) as cluster,
        Witness(cluster) as witness,
    ):
        yield Scene(cluster, witness, clock.advance)
    end_pods(folder)


@pytest.fixture(params=[process_cluster], ids=["process"])
async def scene(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Scene]:
    opener: OpenScene = request.param
    async with opener(tmp_path) as opened:
        yield opened


@pytest.fixture
def cluster(scene: Scene) -> Cluster:
    return scene.cluster


@pytest.fixture
def witness(scene: Scene) -> Witness:
    return scene.witness


@pytest.fixture
def pass_time(scene: Scene) -> Callable[[float], Awaitable[None]]:
    return scene.pass_time
