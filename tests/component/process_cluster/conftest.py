from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from nexus_core.adapters.process.cluster import ProcessCluster
from nexus_core.adapters.process.settings import ProcessClusterSettings
from support.clock import ManualClock
from support.clusters import Witness
from support.processes import OpenCluster, end_pods


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    root = tmp_path / "cluster"
    yield root
    end_pods(root)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where the pods start."""
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture
def open_cluster(root: Path, directory: Path, clock: ManualClock) -> OpenCluster:
    opened = partial(ProcessCluster.open, root, name="here", directory=directory, clock=clock)

    def open_with(**settings: Any) -> AbstractAsyncContextManager[ProcessCluster]:
        return opened(settings=ProcessClusterSettings(**settings))

    return open_with


@pytest.fixture
async def cluster(open_cluster: OpenCluster) -> AsyncIterator[ProcessCluster]:
    async with open_cluster() as opened:
        yield opened


@pytest.fixture
async def witness(cluster: ProcessCluster) -> AsyncIterator[Witness]:
    async with Witness(cluster) as witness:
        yield witness
