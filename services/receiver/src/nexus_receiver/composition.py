"""The composition root: opens the parts that the settings name, and a receiver on them."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from nexus_core.aio.clock import SystemClock
from nexus_core.aio.tasks import BackgroundTasks
from nexus_core.composition.callback import open_callback
from nexus_core.composition.data_folder import prepare_data_folder
from nexus_core.composition.stores import open_shard_stores
from nexus_core.web.server import bind
from nexus_receiver.parts import ReceiverParts
from nexus_receiver.service import open_receiver
from nexus_receiver.settings import ReceiverSettings


@asynccontextmanager
async def open_deployed_receiver(settings: ReceiverSettings) -> AsyncIterator[BackgroundTasks]:
    """Run a receiver, in a process of its own, while the block runs."""
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        bound = stack.enter_context(bind(settings.listen.host, settings.listen.port))
        settings = prepare_data_folder(settings)
        stores = await stack.enter_async_context(open_shard_stores(settings, clock))
        tasks = await stack.enter_async_context(BackgroundTasks())
        parts = ReceiverParts(
            store=stores.store,
            payloads=stores.payloads,
            callback=await stack.enter_async_context(
                open_callback(settings, stores.leases, clock, tasks)
            ),
            clock=clock,
        )
        await stack.enter_async_context(open_receiver(parts, settings, bound))
        yield tasks
