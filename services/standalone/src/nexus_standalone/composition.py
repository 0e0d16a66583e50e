"""The composition root: embedded parts, opened in the order in which they need each other."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from msgspec.structs import replace

from nexus_core.aio.clock import SystemClock
from nexus_core.aio.tasks import BackgroundTasks
from nexus_core.composition.callback import open_callback
from nexus_core.composition.catalogue import open_catalogue
from nexus_core.composition.clusters import open_clusters
from nexus_core.composition.data_folder import prepare_data_folder
from nexus_core.composition.stores import open_stores
from nexus_core.web.server import bind, url_of
from nexus_receiver.parts import ReceiverParts
from nexus_receiver.service import open_receiver
from nexus_receiver.settings import ReceiverSettings
from nexus_scheduler.parts import SchedulerParts
from nexus_scheduler.service import open_scheduler
from nexus_scheduler.settings import SchedulerSettings
from nexus_standalone.banner import show_banner
from nexus_standalone.settings import StandaloneSettings
from nexus_supervisor.parts import SupervisorParts
from nexus_supervisor.service import open_supervisor
from nexus_supervisor.settings import SupervisorSettings


@asynccontextmanager
async def open_standalone(settings: StandaloneSettings) -> AsyncIterator[BackgroundTasks]:
    """Run scheduler, receiver and supervisor in this process while the block runs.

    They meet over HTTP and in the store alone, as they do when they are deployed apart.
    """
    async with AsyncExitStack() as stack:
        # Addresses first: one that is taken is the likeliest mishap, and the quickest to tell.
        scheduler, receiver, supervisor = (
            stack.enter_context(bind(listener.listen.host, listener.listen.port))
            for listener in (settings.scheduler, settings.receiver, settings.supervisor)
        )
        settings = prepare_data_folder(
            replace(
                settings,
                scheduler_url=settings.scheduler_url or url_of(scheduler),
                receiver_url=settings.receiver_url or url_of(receiver),
            )
        )
        clock = SystemClock()
        # The cluster next: it tells whether another standalone has the folder.
        clusters = await stack.enter_async_context(open_clusters(settings, clock))
        stores = await stack.enter_async_context(open_stores(settings, clock))
        catalogue = await stack.enter_async_context(open_catalogue(settings, clock))
        tasks = await stack.enter_async_context(BackgroundTasks())
        await stack.enter_async_context(
            open_scheduler(
                SchedulerParts(
                    store=stores.store,
                    index=stores.index,
                    leases=stores.leases,
                    payloads=stores.payloads,
                    catalogue=catalogue,
                    clusters=clusters,
                    urls=stores.urls,
                    clock=clock,
                ),
                settings.of(SchedulerSettings),
                scheduler,
                tasks,
            )
        )
        callback = await stack.enter_async_context(
            open_callback(settings, stores.leases, clock, tasks)
        )
        await stack.enter_async_context(
            open_receiver(
                ReceiverParts(
                    store=stores.store, payloads=stores.payloads, callback=callback, clock=clock
                ),
                settings.of(ReceiverSettings),
                receiver,
            )
        )
        await stack.enter_async_context(
            open_supervisor(
                SupervisorParts(
                    store=stores.store,
                    index=stores.index,
                    leases=stores.leases,
                    payloads=stores.payloads,
                    clusters=clusters,
                    callback=callback,
                    clock=clock,
                ),
                settings.of(SupervisorSettings, sweep=settings.sweep),
                supervisor,
                tasks,
            )
        )
        show_banner(settings, catalogue, url_of(supervisor))
        yield tasks
