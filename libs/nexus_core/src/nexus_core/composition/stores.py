"""The stores that all services of one Nexus share."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from nexus_core.composition.checkpoint_stores import open_checkpoint_stores
from nexus_core.composition.payload_stores import open_payload_store
from nexus_core.composition.signing import open_signed_urls
from nexus_core.domain.data_urls import SignedUrls
from nexus_core.ports.checkpoint_store import CheckpointStore
from nexus_core.ports.clock import Clock
from nexus_core.ports.lease_store import LeaseStore
from nexus_core.ports.payload_store import PayloadStore
from nexus_core.ports.run_index import RunIndex
from nexus_core.settings.sections import ServiceSettings


@dataclass(frozen=True, kw_only=True)
class Stores:
    """Open stores, and the URLs that lead into them."""

    store: CheckpointStore
    index: RunIndex
    leases: LeaseStore
    payloads: PayloadStore
    urls: SignedUrls


@asynccontextmanager
async def open_stores(settings: ServiceSettings, clock: Clock) -> AsyncIterator[Stores]:
    """Open the stores that the settings name, making what is missing of embedded ones.

    Raises:
        SettingsError: a setting names what there is not.
        UnavailableError: a store can't be opened.
        InvalidInputError: what is there is no store of this Nexus.
    """
    urls = open_signed_urls(settings)
    async with (
        open_checkpoint_stores(settings, clock) as checkpoints,
        open_payload_store(settings, urls, clock) as payloads,
    ):
        yield Stores(
            store=checkpoints.store,
            index=checkpoints.index,
            leases=checkpoints.leases,
            payloads=payloads,
            urls=urls,
        )
