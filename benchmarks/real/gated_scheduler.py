"""A scheduler as it is deployed, but for a gate before its clusters.

Run as `python -m benchmarks.real.gated_scheduler`. A line of input holds a number: that many runs
go to their clusters, and when all of them are RUNNING, a line of output tells how long each took.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

import msgspec

from benchmarks.load import Load
from benchmarks.real.bare import unmanaged
from nexus_core.aio.clock import SystemClock
from nexus_core.aio.tasks import BackgroundTasks
from nexus_core.composition.catalogue import open_catalogue
from nexus_core.composition.clusters import open_clusters
from nexus_core.composition.data_folder import prepare_data_folder
from nexus_core.composition.stores import open_stores
from nexus_core.domain.names import RunKey
from nexus_core.domain.observation import JobHandle
from nexus_core.domain.stages import Advance, StageChange
from nexus_core.ports.checkpoint_store import CheckpointStore
from nexus_core.ports.cluster import Cluster
from nexus_core.web.process import run_process
from nexus_core.web.server import bind
from nexus_scheduler.parts import SchedulerParts
from nexus_scheduler.service import open_scheduler
from nexus_scheduler.settings import SchedulerSettings


class Gate:
    """Lets runs pass in numbers that were asked for, and takes their time."""

    def __init__(self) -> None:
        self._passes = asyncio.Semaphore(0)
        self._began: dict[RunKey, float] = {}
        self._latencies: list[float] = []
        self._expected = 0
        self._all_through = asyncio.Event()

    async def let_through(self, runs: int) -> Load:
        """Let so many runs pass; return when they have been recorded as RUNNING."""
        self._latencies, self._expected = [], runs
        self._all_through.clear()
        began = time.perf_counter()
        for _ in range(runs):
            self._passes.release()
        await self._all_through.wait()
        return Load(runs, time.perf_counter() - began, {}, self._latencies)

    async def enter(self, key: RunKey) -> None:
        """Wait for a pass."""
        await self._passes.acquire()
        self._began[key] = time.perf_counter()

    def leave(self, key: RunKey) -> None:
        """Note that a run has been recorded."""
        if (began := self._began.pop(key, None)) is not None:
            self._latencies.append(time.perf_counter() - began)
            if len(self._latencies) == self._expected:
                self._all_through.set()


class GatedCluster:
    """A cluster behind the gate; its Jobs are such that nobody runs them."""

    def __init__(self, cluster: Cluster, gate: Gate) -> None:
        self._cluster = cluster
        self._gate = gate

    async def create_job(
        self, key: RunKey, manifest: bytes, send_by: float | None = None
    ) -> JobHandle:
        await self._gate.enter(key)
        return await self._cluster.create_job(key, unmanaged(manifest), send_by)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever it is
        return getattr(self._cluster, name)


class GatedStore:
    """A store that tells the gate of changes of stage."""

    def __init__(self, store: CheckpointStore, gate: Gate) -> None:
        self._store = store
        self._gate = gate

    async def advance(self, key: RunKey, change: StageChange) -> Advance:
        advance = await self._store.advance(key, change)
        self._gate.leave(key)
        return advance

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever it is
        return getattr(self._store, name)


@asynccontextmanager
async def open_gated_scheduler(settings: SchedulerSettings) -> AsyncIterator[BackgroundTasks]:
    """Run a scheduler, and do as the input says, while the block runs."""
    clock, gate = SystemClock(), Gate()
    async with AsyncExitStack() as stack:
        bound = stack.enter_context(bind(settings.listen.host, settings.listen.port))
        settings = prepare_data_folder(settings)
        stores = await stack.enter_async_context(open_stores(settings, clock))
        clusters = await stack.enter_async_context(open_clusters(settings, clock))
        catalogue = await stack.enter_async_context(open_catalogue(settings, clusters, clock))
        parts = SchedulerParts(
            store=cast("CheckpointStore", GatedStore(stores.store, gate)),
            index=stores.index,
            leases=stores.leases,
            journal=stores.journal,
            payloads=stores.payloads,
            catalogue=catalogue,
            clusters={
                name: cast("Cluster", GatedCluster(cluster, gate))
                for name, cluster in clusters.items()
            },
            urls=stores.urls,
            clock=clock,
        )
        tasks = await stack.enter_async_context(open_scheduler(parts, settings, bound))
        tasks.start("gate", _obey(gate), may_finish=True)
        yield tasks


async def _obey(gate: Gate) -> None:
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        load = await gate.let_through(int(line))
        sys.stdout.write(msgspec.json.encode(load).decode() + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(run_process("bench-gated-scheduler", SchedulerSettings, open_gated_scheduler))
