"""The composition root: opens the parts that the settings name, and a supervisor on them."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from nexus_core.aio.clock import SystemClock
from nexus_core.aio.tasks import BackgroundTasks
from nexus_core.composition.callback import open_callback
from nexus_core.composition.clusters import open_clusters
from nexus_core.composition.data_folder import prepare_data_folder
from nexus_core.composition.stores import open_shard_stores
from nexus_core.web.server import bind
from nexus_supervisor.parts import SupervisorParts
from nexus_supervisor.service import open_supervisor
from nexus_supervisor.settings import SupervisorSettings


@asynccontextmanager
async def open_deployed_supervisor(settings: SupervisorSettings) -> AsyncIterator[BackgroundTasks]:
    """Run a supervisor, in a process of its own, while the block runs."""
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        bound = stack.enter_context(bind(settings.listen.host, settings.listen.port))
        settings = prepare_data_folder(settings)
        stores = await stack.enter_async_context(open_shard_stores(settings, clock))
        tasks = await stack.enter_async_context(BackgroundTasks())
        parts = SupervisorParts(
            store=stores.store,
            index=stores.index,
            leases=stores.leases,
            payloads=stores.payloads,
            buffered_payloads=stores.buffered_payloads,
            clusters=await stack.enter_async_context(open_clusters(settings, clock)),
            callback=await stack.enter_async_context(
                open_callback(settings, stores.leases, clock, tasks)
            ),
            clock=clock,
        )
        await stack.enter_async_context(open_supervisor(parts, settings, bound, tasks))
        yield tasks
