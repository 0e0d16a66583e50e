"""The composition root: three services on one foundation."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from prometheus_client import CollectorRegistry

from nexus_core.aio.clock import SystemClock
from nexus_core.aio.tasks import BackgroundTasks
from nexus_core.composition.callback import open_callback
from nexus_core.composition.candidate import candidate_name
from nexus_core.composition.inspections import timekeepers_of
from nexus_core.ports.scheduler_callback import SchedulerCallback
from nexus_core.ports.timekeeper import Timekeeper
from nexus_core.telemetry.registry import make_registry
from nexus_core.web.server import url_of
from nexus_receiver.parts import ReceiverParts
from nexus_receiver.service import open_receiver
from nexus_receiver.settings import ReceiverSettings
from nexus_scheduler.parts import SchedulerParts
from nexus_scheduler.service import open_scheduler
from nexus_scheduler.settings import SchedulerSettings
from nexus_standalone.banner import show_banner
from nexus_standalone.foundation import Foundation, open_foundation
from nexus_standalone.settings import StandaloneSettings
from nexus_supervisor.parts import SupervisorParts
from nexus_supervisor.service import open_supervisor
from nexus_supervisor.settings import SupervisorSettings


@asynccontextmanager
async def open_standalone(settings: StandaloneSettings) -> AsyncIterator[BackgroundTasks]:
    """Run scheduler, receiver and supervisor in this process while the block runs."""
    async with (
        open_foundation(settings, SystemClock()) as foundation,
        open_services(foundation) as tasks,
    ):
        yield tasks


@asynccontextmanager
async def open_services(foundation: Foundation) -> AsyncIterator[BackgroundTasks]:
    """Run the three services while the block runs.

    They meet over HTTP and in the store alone, as they do when they are deployed apart.
    """
    settings, stores = foundation.settings, foundation.stores
    addresses, clock = foundation.addresses, foundation.clock
    async with AsyncExitStack() as stack:
        tasks = await stack.enter_async_context(BackgroundTasks())
        await stack.enter_async_context(
            open_scheduler(
                _scheduler_parts(foundation),
                settings.of(SchedulerSettings),
                addresses.scheduler,
                tasks,
            )
        )
        registry = make_registry()
        callback = await stack.enter_async_context(
            open_callback(settings, stores.leases, clock, registry, tasks)
        )
        await stack.enter_async_context(
            open_receiver(
                _receiver_parts(foundation, callback, registry),
                settings.of(ReceiverSettings),
                addresses.receiver,
                tasks,
            )
        )
        await stack.enter_async_context(
            open_supervisor(
                _supervisor_parts(foundation, callback),
                settings.of(
                    SupervisorSettings,
                    sweep=settings.sweep,
                    patience=settings.patience,
                    retention=settings.retention,
                    leadership=settings.leadership,
                ),
                addresses.supervisor,
                tasks,
            )
        )
        show_banner(settings, foundation.catalogue, url_of(addresses.supervisor))
        yield tasks


def _scheduler_parts(foundation: Foundation) -> SchedulerParts:
    stores = foundation.stores
    return SchedulerParts(
        store=stores.store,
        index=stores.index,
        leases=stores.leases,
        journal=stores.journal,
        payloads=stores.payloads,
        buffered_payloads=stores.buffered_payloads,
        catalogue=foundation.catalogue,
        clusters=foundation.clusters,
        urls=stores.urls,
        clock=foundation.clock,
        timekeepers=_timekeepers(foundation),
    )


def _receiver_parts(
    foundation: Foundation, callback: SchedulerCallback, registry: CollectorRegistry
) -> ReceiverParts:
    return ReceiverParts(
        store=foundation.stores.store,
        payloads=foundation.stores.payloads,
        callback=callback,
        clock=foundation.clock,
        timekeepers=_timekeepers(foundation),
        registry=registry,
    )


def _supervisor_parts(foundation: Foundation, callback: SchedulerCallback) -> SupervisorParts:
    stores = foundation.stores
    return SupervisorParts(
        store=stores.store,
        index=stores.index,
        leases=stores.leases,
        election=stores.election,
        candidate=candidate_name(foundation.settings),
        journal=stores.journal,
        retention=stores.retention,
        payloads=stores.payloads,
        stored_content=stores.stored_content,
        buffered_payloads=stores.buffered_payloads,
        clusters=foundation.clusters,
        callback=callback,
        clock=foundation.clock,
        timekeepers=_timekeepers(foundation),
    )


def _timekeepers(foundation: Foundation) -> Mapping[str, Timekeeper]:
    stores = foundation.stores
    return timekeepers_of(stores.store, stores.payloads, foundation.clusters)
