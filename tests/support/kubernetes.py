"""Connections to API servers, for tests."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from nexus_core.adapters.kubernetes.access import Access
from nexus_core.adapters.kubernetes.cluster import KubernetesCluster
from nexus_core.adapters.kubernetes.connection import Connection
from nexus_core.adapters.kubernetes.credentials import Source
from nexus_core.adapters.kubernetes.kubeconfig import KubeconfigFile
from nexus_core.adapters.kubernetes.watch import Pace
from nexus_core.aio.clock import SystemClock
from nexus_core.domain.names import RunKey
from nexus_core.domain.observation import JobHandle
from nexus_core.ports.clock import Clock


class FixedSource:
    """Hands out what a test says, and counts how often it was asked."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self.error: Exception | None = None
        """Raised while it is set."""
        self.asked = 0
        self.asked_anew = 0

    origin = "kubeconfig /etc/shards/here.kubeconfig"

    async def load(self, *, anew: bool) -> Access:
        self.asked += 1
        self.asked_anew += anew
        if self.error is not None:
            raise self.error
        return self.access


@asynccontextmanager
async def connected(url: str, clock: Clock, patience: float = 5.0) -> AsyncIterator[Connection]:
    """Connect without credentials."""
    source = FixedSource(Access(server=url))
    async with Connection.open(source, clock, connections=8, patience=patience) as connection:
        yield connection


class TidyCluster(KubernetesCluster):
    """A cluster that remembers what was created in it, since others use the same."""

    def __init__(self, connection: Connection, namespace: str, pace: Pace | None = None) -> None:
        super().__init__("here", connection, SystemClock(), namespace=namespace, pace=pace)
        self.connection = connection
        self.created: set[RunKey] = set()

    async def create_job(
        self, key: RunKey, manifest: bytes, send_by: float | None = None
    ) -> JobHandle:
        self.created.add(key)
        return await super().create_job(key, manifest, send_by)


@asynccontextmanager
async def tidy_cluster(
    kubeconfig: Path | Source,
    namespace: str,
    *,
    patience: float = 15.0,
    pace: Pace | None = None,
) -> AsyncIterator[TidyCluster]:
    """Open a cluster of the testbed, and delete at the end what was created in it."""
    source = KubeconfigFile(kubeconfig) if isinstance(kubeconfig, Path) else kubeconfig
    async with Connection.open(
        source, SystemClock(), connections=16, patience=patience
    ) as connection:
        cluster = TidyCluster(connection, namespace, pace)
        yield cluster
        await asyncio.gather(*(cluster.delete_job(key) for key in cluster.created))
