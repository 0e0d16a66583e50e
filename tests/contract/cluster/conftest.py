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
from support.kubernetes import tidy_cluster
from support.processes import end_pods
from tools.testbed.description import KubernetesDescription


@dataclass(frozen=True)
class Scene:
    """A cluster, one who follows it, and its time."""

    cluster: Cluster
    witness: Witness
    pass_time: Callable[[float], Awaitable[None]]
    """Let seconds pass for the cluster; they pass by themselves for one that others run."""


OpenScene = Callable[[pytest.FixtureRequest, Path], AbstractAsyncContextManager[Scene]]


@asynccontextmanager
async def process_cluster(_: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Scene]:
    clock = ManualClock()
    async with (
        ProcessCluster.open(folder, name="here", directory=folder, clock=clock) as cluster,
        Witness(cluster) as witness,
    ):
        yield Scene(cluster, witness, clock.advance)
    end_pods(folder)


@asynccontextmanager
async def kubernetes_cluster(request: pytest.FixtureRequest, _: Path) -> AsyncIterator[Scene]:
    """The testbed's, with no more rights than the services need."""
    server: KubernetesDescription = request.getfixturevalue("kubernetes_server")

    async def pass_time(_: float) -> None: ...

    async with (
        tidy_cluster(Path(server.nexus_kubeconfig), server.namespace) as cluster,
        Witness(cluster) as witness,
    ):
        yield Scene(cluster, witness, pass_time)


@pytest.fixture(
    params=[
        pytest.param(process_cluster, id="process"),
        pytest.param(kubernetes_cluster, id="kubernetes", marks=pytest.mark.integration),
    ]
)
async def scene(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Scene]:
    opener: OpenScene = request.param
    async with opener(request, tmp_path) as opened:
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
