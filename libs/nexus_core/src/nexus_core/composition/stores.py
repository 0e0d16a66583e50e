"""The stores that all services of one Nexus share."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from nexus_core.adapters.cassandra.payload_buffer import CassandraPayloadStore, PayloadBuffer
from nexus_core.adapters.folder.payload_store import FolderPayloadStore
from nexus_core.adapters.scheduler_urls import SchedulerUrls
from nexus_core.composition.checkpoint_stores import open_checkpoint_stores
from nexus_core.composition.payload_stores import open_payload_store
from nexus_core.composition.signing import open_signed_urls, shares_its_secret
from nexus_core.domain.data_urls import SignedUrls
from nexus_core.ports.checkpoint_store import CheckpointStore
from nexus_core.ports.clock import Clock
from nexus_core.ports.journal import Journal
from nexus_core.ports.leader_election import LeaderElection
from nexus_core.ports.lease_store import LeaseStore
from nexus_core.ports.payload_store import PayloadStore
from nexus_core.ports.retention import Retention
from nexus_core.ports.run_index import RunIndex
from nexus_core.ports.stored_content import StoredContent
from nexus_core.settings.loader import SettingsError
from nexus_core.settings.sections import ServiceSettings


@dataclass(frozen=True, kw_only=True)
class Stores:
    """Open stores, and the URLs that lead into them."""

    store: CheckpointStore
    index: RunIndex
    leases: LeaseStore
    journal: Journal
    election: LeaderElection
    retention: Retention
    payloads: PayloadStore
    buffered_payloads: PayloadStore | None = None
    """Those serialized to the `backend`; None where they go to the payload store, too."""
    stored_content: StoredContent | None = None
    """What the payload store has; None where it can't tell at little cost."""
    urls: SignedUrls


@dataclass(frozen=True, kw_only=True)
class ShardStores:
    """What receivers and supervisors open."""

    store: CheckpointStore
    index: RunIndex
    leases: LeaseStore
    journal: Journal
    election: LeaderElection
    retention: Retention
    payloads: PayloadStore | None
    """None where the settings name none: those of the Go implementation have no use for it."""
    buffered_payloads: PayloadStore | None = None
    stored_content: StoredContent | None = None


@asynccontextmanager
async def open_stores(settings: ServiceSettings, clock: Clock) -> AsyncIterator[Stores]:
    """Open the stores that the settings name, making what is missing of embedded ones.

    Raises:
        SettingsError: a setting names what there is not.
        UnavailableError: an embedded store can't be opened.
        InvalidInputError: what is there is no store of this Nexus.
    """
    if not _has_payloads(settings):
        raise SettingsError(
            "s3-buffer.payload-storage-path (NEXUS__S3_BUFFER__PAYLOAD_STORAGE_PATH): must name a "
            "bucket, such as s3a://bucket/nexus/payloads"
        )
    urls = open_signed_urls(settings)
    async with (
        open_checkpoint_stores(settings, clock) as checkpoints,
        open_payload_store(settings, urls, clock) as payloads,
    ):
        yield Stores(
            store=checkpoints.store,
            index=checkpoints.index,
            leases=checkpoints.leases,
            journal=checkpoints.journal,
            election=checkpoints.election,
            retention=checkpoints.retention,
            payloads=payloads,
            buffered_payloads=_buffered(
                checkpoints.payload_buffer, payloads, settings, urls, clock
            ),
            stored_content=_content_of(payloads),
            urls=urls,
        )


@asynccontextmanager
async def open_shard_stores(settings: ServiceSettings, clock: Clock) -> AsyncIterator[ShardStores]:
    """Open the same for a service that gets along without a payload store; raises the same."""
    async with AsyncExitStack() as stack:
        checkpoints = await stack.enter_async_context(open_checkpoint_stores(settings, clock))
        payloads, buffered = None, None
        if _has_payloads(settings):
            urls = open_signed_urls(settings)
            payloads = await stack.enter_async_context(open_payload_store(settings, urls, clock))
            buffered = _buffered(checkpoints.payload_buffer, payloads, settings, urls, clock)
        yield ShardStores(
            store=checkpoints.store,
            index=checkpoints.index,
            leases=checkpoints.leases,
            journal=checkpoints.journal,
            election=checkpoints.election,
            retention=checkpoints.retention,
            payloads=payloads,
            buffered_payloads=buffered,
            stored_content=_content_of(payloads),
        )


def _buffered(
    buffer: PayloadBuffer | None,
    beside: PayloadStore,
    settings: ServiceSettings,
    urls: SignedUrls,
    clock: Clock,
) -> PayloadStore | None:
    if buffer is None:
        return None
    served = SchedulerUrls(urls, clock) if shares_its_secret(settings) else None
    return CassandraPayloadStore(buffer, beside, served)


def _content_of(payloads: PayloadStore | None) -> StoredContent | None:
    return payloads if isinstance(payloads, FolderPayloadStore) else None


def _has_payloads(settings: ServiceSettings) -> bool:
    """Tell whether a payload store is named; beside the embedded checkpoint store one always is."""
    return settings.cql_store_type == "embedded" or bool(settings.s3_buffer.payload_storage_path)
