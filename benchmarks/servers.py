"""The servers that are measured, each in a process of its own on the same core.

Run as `python -m benchmarks.servers KIND FOLDER`; prints its port, ends when its input is closed.
"""

import asyncio
import os
import resource
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec
import uvloop
from aiohttp import web

from benchmarks.instant import (
    InstantCheckpointStore,
    InstantCluster,
    InstantLeaseStore,
    InstantPayloadStore,
)
from benchmarks.workload import CATALOGUE
from nexus_core.adapters.folder.catalogue import FolderCatalogue
from nexus_core.aio.clock import SystemClock
from nexus_core.composition.callback import open_callback
from nexus_core.composition.data_folder import prepare_data_folder
from nexus_core.composition.stores import Stores, open_stores
from nexus_core.domain.request import AlgorithmRequest
from nexus_core.settings.payloads import BufferConfig, S3Buffer
from nexus_core.telemetry.logging import LogFormat, LogLevel, configure_logging
from nexus_core.telemetry.registry import make_registry
from nexus_core.web.bodies import json_response
from nexus_core.web.process import spare_the_garbage_collector
from nexus_core.web.server import bind, listening
from nexus_receiver.parts import ReceiverParts
from nexus_receiver.service import open_receiver
from nexus_receiver.settings import ReceiverSettings
from nexus_scheduler.parts import SchedulerParts
from nexus_scheduler.service import open_scheduler
from nexus_scheduler.settings import SchedulerSettings
from nexus_scheduler.wire import Accepted

Serve = Callable[[Path], AbstractAsyncContextManager[int]]
"""Serves on data in a folder; yields the port."""

SERVER_CORE = 0

# The queue takes all that a bench sends; launching a run a second stays out of the figures.
_BUFFER = S3Buffer(
    buffer_config=BufferConfig(
        queue_limit=10_000_000, rate_limit_elements_per_second=1, rate_limit_elements_burst=1
    )
)


@asynccontextmanager
async def baseline(_: Path) -> AsyncIterator[int]:
    """Serve the least: the same body decoded, the same answer, nothing kept."""
    decoder = msgspec.json.Decoder(AlgorithmRequest)

    async def accept(request: web.Request) -> web.Response:
        decoder.decode(await request.read())
        return json_response(Accepted("00000000-0000-0000-0000-000000000000"), 202)

    app = web.Application()
    app.router.add_post("/algorithm/v1/run/{algorithmName}", accept)
    with bind("127.0.0.1", 0) as bound:
        async with listening(app, bound, 1):
            yield bound.getsockname()[1]


@asynccontextmanager
async def accept_instant(folder: Path) -> AsyncIterator[int]:
    """Serve a scheduler whose stores cost nothing."""
    clock, settings = SystemClock(), _settings(folder)
    async with AsyncExitStack() as stack:
        # Opened for its signed URLs and for an index that nobody asks; neither store is used.
        stores = await stack.enter_async_context(open_stores(settings, clock))
        instant = Stores(
            store=InstantCheckpointStore(),
            index=stores.index,
            leases=InstantLeaseStore(),
            journal=stores.journal,
            election=stores.election,
            retention=stores.retention,
            payloads=InstantPayloadStore(stores.urls, clock),
            urls=stores.urls,
        )
        yield await stack.enter_async_context(_scheduler(instant, settings))


@asynccontextmanager
async def accept_embedded(folder: Path) -> AsyncIterator[int]:
    """Serve a scheduler on SQLite and a folder."""
    settings = _settings(folder)
    async with open_stores(settings, SystemClock()) as stores, _scheduler(stores, settings) as port:
        yield port


@asynccontextmanager
async def complete_embedded(folder: Path) -> AsyncIterator[int]:
    """Serve a receiver on SQLite and a folder."""
    clock, settings, registry = SystemClock(), _settings(folder), make_registry()
    async with AsyncExitStack() as stack:
        stores = await stack.enter_async_context(open_stores(settings, clock))
        callback = await stack.enter_async_context(
            open_callback(settings, stores.leases, clock, registry)
        )
        bound = stack.enter_context(bind("127.0.0.1", 0))
        parts = ReceiverParts(
            store=stores.store,
            payloads=stores.payloads,
            callback=callback,
            clock=clock,
            registry=registry,
        )
        own = ReceiverSettings(data_path=str(folder))
        await stack.enter_async_context(open_receiver(parts, own, bound))
        yield bound.getsockname()[1]


KINDS: dict[str, Serve] = {
    "baseline": baseline,
    "accept-instant": accept_instant,
    "accept-embedded": accept_embedded,
    "complete-embedded": complete_embedded,
}


def _settings(folder: Path) -> SchedulerSettings:
    return prepare_data_folder(SchedulerSettings(data_path=str(folder), s3_buffer=_BUFFER))


@asynccontextmanager
async def _scheduler(stores: Stores, settings: SchedulerSettings) -> AsyncIterator[int]:
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        catalogue = await stack.enter_async_context(FolderCatalogue.open([CATALOGUE], clock))
        parts = SchedulerParts(
            store=stores.store,
            index=stores.index,
            leases=stores.leases,
            journal=stores.journal,
            payloads=stores.payloads,
            catalogue=catalogue,
            clusters={InstantCluster.name: InstantCluster()},
            urls=stores.urls,
            clock=clock,
        )
        bound = stack.enter_context(bind("127.0.0.1", 0))
        await stack.enter_async_context(open_scheduler(parts, settings, bound))
        yield bound.getsockname()[1]


async def _serve(serve: Serve, folder: Path) -> None:
    """Serve; at each line of input print the CPU time used so far, at its end stop."""
    async with serve(folder) as port:
        if serve is not baseline:
            spare_the_garbage_collector()  # as a service's process does
        print(port, flush=True)
        loop = asyncio.get_running_loop()
        while await loop.run_in_executor(None, sys.stdin.readline):
            used = resource.getrusage(resource.RUSAGE_SELF)
            print(used.ru_utime + used.ru_stime, flush=True)


def main() -> None:
    kind, folder = sys.argv[1:]
    Path(folder).mkdir(parents=True, exist_ok=True)
    os.sched_setaffinity(0, {SERVER_CORE})
    # Written, and not kept: a file beside the stores would be synced together with them.
    with Path(os.devnull).open("w", encoding="utf-8") as log:
        configure_logging(f"bench-{kind}", LogLevel.INFO, LogFormat.JSON, log)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(KINDS[kind], Path(folder)))


if __name__ == "__main__":
    main()
