"""The composition root: opens the parts that the settings name, and a receiver on them."""

import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from nexus_core.aio.clock import SystemClock
from nexus_core.aio.tasks import BackgroundTasks
from nexus_core.composition.callback import open_callback
from nexus_core.composition.data_folder import prepare_data_folder
from nexus_core.composition.inspections import timekeepers_of
from nexus_core.composition.stores import open_shard_stores
from nexus_core.ports.clock import Clock
from nexus_core.telemetry.registry import make_registry
from nexus_core.web.server import bind
from nexus_receiver.parts import ReceiverParts
from nexus_receiver.service import open_receiver
from nexus_receiver.settings import ReceiverSettings


@dataclass(frozen=True, kw_only=True)
class Foundation:
    """What a receiver stands on; whoever opened it closes it after the receiver."""

    settings: ReceiverSettings
    """With the secrets that nobody set."""
    address: socket.socket
    """Where it listens: bound already, served later."""
    parts: ReceiverParts
    tasks: BackgroundTasks
    """What the parts do in the background."""


@asynccontextmanager
async def open_deployed_receiver(settings: ReceiverSettings) -> AsyncIterator[BackgroundTasks]:
    """Run a receiver, in a process of its own, while the block runs."""
    async with (
        open_foundation(settings, SystemClock()) as foundation,
        open_service(foundation) as tasks,
    ):
        yield tasks


@asynccontextmanager
async def open_foundation(settings: ReceiverSettings, clock: Clock) -> AsyncIterator[Foundation]:
    """Open all that a receiver needs, in the order in which the parts need each other.

    Raises:
        SettingsError: a setting names what there is not.
        UnavailableError: the address is taken, or an embedded part can't be opened.
        InvalidInputError: what is in the data folder is not this Nexus's.
    """
    async with AsyncExitStack() as stack:
        bound = stack.enter_context(bind(settings.listen.host, settings.listen.port))
        settings = prepare_data_folder(settings)
        stores = await stack.enter_async_context(open_shard_stores(settings, clock))
        tasks = await stack.enter_async_context(BackgroundTasks())
        registry = make_registry()
        parts = ReceiverParts(
            store=stores.store,
            payloads=stores.payloads,
            callback=await stack.enter_async_context(
                open_callback(settings, stores.leases, clock, registry, tasks)
            ),
            clock=clock,
            timekeepers=timekeepers_of(stores.store, stores.payloads),
            registry=registry,
        )
        yield Foundation(settings=settings, address=bound, parts=parts, tasks=tasks)


@asynccontextmanager
async def open_service(foundation: Foundation) -> AsyncIterator[BackgroundTasks]:
    """Run the receiver on what is open, while the block runs."""
    tasks = foundation.tasks
    async with open_receiver(foundation.parts, foundation.settings, foundation.address, tasks):
        yield tasks
