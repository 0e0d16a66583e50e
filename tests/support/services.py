"""Whole services over real HTTP, on real embedded stores and a cluster that the test directs."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import aiohttp

from nexus_core.aio.clock import SystemClock
from nexus_core.composition.callback import open_callback
from nexus_core.composition.data_folder import prepare_data_folder
from nexus_core.composition.stores import Stores, open_stores
from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import Stage
from nexus_core.ports.clock import Clock
from nexus_core.settings.sections import ServiceSettings
from nexus_core.settings.values import Duration, Interval
from nexus_core.telemetry.registry import make_registry
from nexus_core.web.server import bind, url_of
from nexus_receiver.parts import ReceiverParts
from nexus_receiver.service import open_receiver
from nexus_receiver.settings import ReceiverSettings
from nexus_scheduler.parts import SchedulerParts
from nexus_scheduler.service import open_scheduler
from nexus_scheduler.settings import SchedulerSettings
from nexus_supervisor.parts import SupervisorParts
from nexus_supervisor.service import open_supervisor
from nexus_supervisor.settings import LeadershipSection, SupervisorSettings
from support.fixed_catalogue import FixedCatalogue
from support.scripted_cluster import ScriptedCluster

S = TypeVar("S", bound=ServiceSettings)


@dataclass(kw_only=True)
class World:
    """What the services of a test share; each of them is opened, closed and opened again."""

    folder: Path
    clock: Clock = field(default_factory=SystemClock)
    catalogue: FixedCatalogue = field(default_factory=FixedCatalogue)
    stores: Stores
    cluster: ScriptedCluster
    session: aiohttp.ClientSession
    address: socket.socket
    """The scheduler's, kept for as long as the world is: a scheduler that restarts has it again."""
    scheduler_url: str = ""
    receiver_url: str = ""
    settings: dict[str, Any] = field(default_factory=dict)

    @asynccontextmanager
    async def scheduler(self, **settings: Any) -> AsyncIterator[str]:
        """Open a scheduler; yield its URL."""
        own = self._settings(SchedulerSettings, settings)
        with self.address.dup() as bound:
            parts = SchedulerParts(
                store=self.stores.store,
                index=self.stores.index,
                leases=self.stores.leases,
                journal=self.stores.journal,
                payloads=self.stores.payloads,
                buffered_payloads=self.stores.buffered_payloads,
                catalogue=self.catalogue,
                clusters={self.cluster.name: self.cluster},
                urls=self.stores.urls,
                clock=self.clock,
            )
            async with open_scheduler(parts, own, bound):
                yield url_of(bound)

    @asynccontextmanager
    async def receiver(self, **settings: Any) -> AsyncIterator[str]:
        """Open a receiver; yield its URL."""
        own = self._settings(ReceiverSettings, settings)
        async with AsyncExitStack() as stack:
            bound, registry = stack.enter_context(bind("127.0.0.1", 0)), make_registry()
            callback = await stack.enter_async_context(
                open_callback(own, self.stores.leases, self.clock, registry)
            )
            parts = ReceiverParts(
                store=self.stores.store,
                payloads=self.stores.payloads,
                callback=callback,
                clock=self.clock,
                registry=registry,
            )
            await stack.enter_async_context(open_receiver(parts, own, bound))
            yield url_of(bound)

    @asynccontextmanager
    async def supervisor(self, clock: Clock | None = None, **settings: Any) -> AsyncIterator[str]:
        """Open a supervisor, with a clock of its own if it has one; yield its URL.

        Its lease outlasts any test, unless told otherwise: where time passes in leaps, no renewal
        could come in time.
        """
        clock = clock or self.clock
        leadership = LeadershipSection(lease_duration=Interval(1e6))
        own = self._settings(SupervisorSettings, {"leadership": leadership, **settings})
        async with AsyncExitStack() as stack:
            bound, registry = stack.enter_context(bind("127.0.0.1", 0)), make_registry()
            callback = await stack.enter_async_context(
                open_callback(own, self.stores.leases, clock, registry)
            )
            parts = SupervisorParts(
                store=self.stores.store,
                index=self.stores.index,
                leases=self.stores.leases,
                election=self.stores.election,
                candidate=f"supervisor-{uuid4()}",
                journal=self.stores.journal,
                retention=self.stores.retention,
                payloads=self.stores.payloads,
                stored_content=self.stores.stored_content,
                clusters={self.cluster.name: self.cluster},
                callback=callback,
                clock=clock,
                registry=registry,
            )
            await stack.enter_async_context(open_supervisor(parts, own, bound))
            yield url_of(bound)

    async def run(self, url: str, algorithm: str = "hello-world", **body: Any) -> RunKey:
        """Submit a run; return its key."""
        request = {"algorithmParameters": {"name": "world"}, **body}
        async with self.session.post(f"{url}/algorithm/run/{algorithm}", json=request) as answer:
            assert answer.status == 202, await answer.text()
            return RunKey(algorithm, (await answer.json())["requestId"])

    async def stage(self, key: RunKey) -> Stage | None:
        """Return the stage that the store has for a run."""
        checkpoint = await self.stores.store.find(key)
        return checkpoint.lifecycle_stage if checkpoint else None

    async def reaches(self, key: RunKey, stage: Stage) -> None:
        """Wait until the store has a run in a stage."""
        async with asyncio.timeout(10):
            while await self.stage(key) is not stage:  # noqa: ASYNC110 - the store tells nobody
                await asyncio.sleep(0.001)

    def _settings(self, kind: type[S], settings: dict[str, Any]) -> S:
        shared = {
            "data_path": str(self.folder),
            "drain_timeout": Duration(5),
            "scheduler_url": self.scheduler_url,
            "receiver_url": self.receiver_url,
        }
        return prepare_data_folder(kind(**{**shared, **self.settings, **settings}))


@asynccontextmanager
async def open_world(
    folder: Path, clock: Clock | None = None, **settings: Any
) -> AsyncIterator[World]:
    """Open what services share, in a folder of a test's own; the settings say of which kind.

    The scheduler's address is taken beforehand, since the URLs that the stores make lead there.
    """
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        address = stack.enter_context(bind("127.0.0.1", 0))
        scheduler_url = url_of(address)
        shared = prepare_data_folder(
            ServiceSettings(data_path=str(folder), scheduler_url=scheduler_url, **settings)
        )
        stores = await stack.enter_async_context(open_stores(shared, clock))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        yield World(
            folder=folder,
            clock=clock,
            stores=stores,
            cluster=ScriptedCluster(clock),
            session=session,
            address=address,
            scheduler_url=scheduler_url,
            settings=settings,
        )
