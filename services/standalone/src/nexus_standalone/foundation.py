"""What the three services of standalone stand on: addresses, secrets, and embedded parts."""

import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from msgspec.structs import replace

from nexus_core.composition.catalogue import open_catalogue
from nexus_core.composition.clusters import open_clusters
from nexus_core.composition.data_folder import prepare_data_folder
from nexus_core.composition.stores import Stores, open_stores
from nexus_core.ports.catalogue import Catalogue
from nexus_core.ports.clock import Clock
from nexus_core.ports.cluster import Cluster
from nexus_core.web.server import bind, url_of
from nexus_standalone.settings import Listener, StandaloneSettings


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """Where the three services listen: bound already, served later."""

    scheduler: socket.socket
    receiver: socket.socket
    supervisor: socket.socket


@dataclass(frozen=True, kw_only=True)
class Foundation:
    """Open parts; whoever opened them closes them after the services."""

    settings: StandaloneSettings
    """With the URLs and secrets that nobody set."""
    addresses: Addresses
    stores: Stores
    clusters: Mapping[str, Cluster]
    """By the name that workgroups give them."""
    catalogue: Catalogue
    clock: Clock


@asynccontextmanager
async def open_foundation(settings: StandaloneSettings, clock: Clock) -> AsyncIterator[Foundation]:
    """Open all that the services need, in the order in which the parts need each other.

    Raises:
        SettingsError: a setting names what there is not.
        UnavailableError: an address is taken, or the data folder can't be used.
        InvalidInputError: what is in the data folder is not this Nexus's.
    """
    # Read for its refusal alone: the supervisor would say so when the scheduler serves already.
    settings.retention.times()
    async with AsyncExitStack() as stack:
        # Addresses first: one that is taken is the likeliest mishap, and the quickest to tell.
        addresses = Addresses(
            scheduler=stack.enter_context(_bind(settings.scheduler)),
            receiver=stack.enter_context(_bind(settings.receiver)),
            supervisor=stack.enter_context(_bind(settings.supervisor)),
        )
        settings = prepare_data_folder(
            replace(
                settings,
                scheduler_url=settings.scheduler_url or url_of(addresses.scheduler),
                receiver_url=settings.receiver_url or url_of(addresses.receiver),
            )
        )
        # The cluster next: it tells whether another standalone has the folder.
        clusters = await stack.enter_async_context(open_clusters(settings, clock))
        yield Foundation(
            settings=settings,
            addresses=addresses,
            stores=await stack.enter_async_context(open_stores(settings, clock)),
            clusters=clusters,
            catalogue=await stack.enter_async_context(open_catalogue(settings, clusters, clock)),
            clock=clock,
        )


def _bind(listener: Listener) -> socket.socket:
    return bind(listener.listen.host, listener.listen.port)
