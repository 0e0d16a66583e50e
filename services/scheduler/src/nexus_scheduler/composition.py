"""The composition root: opens the parts that the settings name, and a scheduler on them."""

import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from nexus_core.aio.clock import SystemClock
from nexus_core.aio.tasks import BackgroundTasks
from nexus_core.composition.catalogue import open_catalogue
from nexus_core.composition.clusters import open_clusters
from nexus_core.composition.data_folder import prepare_data_folder
from nexus_core.composition.inspections import rights_of_a_scheduler, timekeepers_of
from nexus_core.composition.stores import open_stores
from nexus_core.ports.clock import Clock
from nexus_core.web.server import bind
from nexus_scheduler.parts import SchedulerParts
from nexus_scheduler.service import open_scheduler
from nexus_scheduler.settings import SchedulerSettings


@dataclass(frozen=True, kw_only=True)
class Foundation:
    """What a scheduler stands on; whoever opened it closes it after the scheduler."""

    settings: SchedulerSettings
    """With the secrets that nobody set."""
    address: socket.socket
    """Where it listens: bound already, served later."""
    parts: SchedulerParts


@asynccontextmanager
async def open_deployed_scheduler(settings: SchedulerSettings) -> AsyncIterator[BackgroundTasks]:
    """Run a scheduler, in a process of its own, while the block runs."""
    async with (
        open_foundation(settings, SystemClock()) as foundation,
        open_service(foundation) as tasks,
    ):
        yield tasks


@asynccontextmanager
async def open_foundation(settings: SchedulerSettings, clock: Clock) -> AsyncIterator[Foundation]:
    """Open all that a scheduler needs, in the order in which the parts need each other.

    Raises:
        SettingsError: a setting names what there is not.
        UnavailableError: the address is taken, or an embedded part can't be opened.
        InvalidInputError: what is in the data folder is not this Nexus's.
    """
    async with AsyncExitStack() as stack:
        bound = stack.enter_context(bind(settings.listen.host, settings.listen.port))
        settings = prepare_data_folder(settings)
        stores = await stack.enter_async_context(open_stores(settings, clock))
        clusters = await stack.enter_async_context(open_clusters(settings, clock))
        catalogue = await stack.enter_async_context(open_catalogue(settings, clusters, clock))
        parts = SchedulerParts(
            store=stores.store,
            index=stores.index,
            leases=stores.leases,
            journal=stores.journal,
            payloads=stores.payloads,
            buffered_payloads=stores.buffered_payloads,
            catalogue=catalogue,
            clusters=clusters,
            urls=stores.urls,
            clock=clock,
            timekeepers=timekeepers_of(stores.store, stores.payloads, clusters),
            inspections=rights_of_a_scheduler(clusters, catalogue, clock),
        )
        yield Foundation(settings=settings, address=bound, parts=parts)


@asynccontextmanager
async def open_service(foundation: Foundation) -> AsyncIterator[BackgroundTasks]:
    """Run the scheduler on what is open, while the block runs."""
    async with open_scheduler(foundation.parts, foundation.settings, foundation.address) as tasks:
        yield tasks
