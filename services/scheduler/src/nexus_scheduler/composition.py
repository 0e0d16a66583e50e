"""The composition root: opens the parts that the settings name, and a scheduler on them."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from nexus_core.aio.clock import SystemClock
from nexus_core.aio.tasks import BackgroundTasks
from nexus_core.composition.catalogue import open_catalogue
from nexus_core.composition.clusters import open_clusters
from nexus_core.composition.data_folder import prepare_data_folder
from nexus_core.composition.stores import open_stores
from nexus_core.web.server import bind
from nexus_scheduler.parts import SchedulerParts
from nexus_scheduler.service import open_scheduler
from nexus_scheduler.settings import SchedulerSettings


@asynccontextmanager
async def open_deployed_scheduler(settings: SchedulerSettings) -> AsyncIterator[BackgroundTasks]:
    """Run a scheduler, in a process of its own, while the block runs."""
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        bound = stack.enter_context(bind(settings.listen.host, settings.listen.port))
        settings = prepare_data_folder(settings)
        stores = await stack.enter_async_context(open_stores(settings, clock))
        clusters = await stack.enter_async_context(open_clusters(settings, clock))
        parts = SchedulerParts(
            store=stores.store,
            index=stores.index,
            leases=stores.leases,
            payloads=stores.payloads,
            buffered_payloads=stores.buffered_payloads,
            catalogue=await stack.enter_async_context(open_catalogue(settings, clusters, clock)),
            clusters=clusters,
            urls=stores.urls,
            clock=clock,
        )
        yield await stack.enter_async_context(open_scheduler(parts, settings, bound))
