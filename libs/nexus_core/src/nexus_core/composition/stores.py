"""The stores that all services of one Nexus share."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from nexus_core.adapters.folder.payload_store import FolderPayloadStore
from nexus_core.adapters.sqlite.checkpoint_store import SqliteCheckpointStore
from nexus_core.adapters.sqlite.database import SqliteDatabase
from nexus_core.adapters.sqlite.lease_store import SqliteLeaseStore
from nexus_core.adapters.sqlite.run_index import SqliteRunIndex
from nexus_core.domain.data_urls import SignedUrls
from nexus_core.domain.errors import InvalidInputError
from nexus_core.ports.checkpoint_store import CheckpointStore
from nexus_core.ports.clock import Clock
from nexus_core.ports.lease_store import LeaseStore
from nexus_core.ports.payload_store import PayloadStore
from nexus_core.ports.run_index import RunIndex
from nexus_core.settings.loader import SettingsError
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
    """Open the stores that the settings name, making what is missing.

    Raises:
        SettingsError: a setting names what there is not.
        UnavailableError: a store can't be opened.
        InvalidInputError: what is there is no store of this Nexus.
    """
    if settings.cql_store_type != "embedded":
        raise SettingsError(
            f"cql-store-type (NEXUS__CQL_STORE_TYPE): this release has no adapter for "
            f"'{settings.cql_store_type}'; use 'embedded'"
        )
    if settings.s3_buffer.payload_storage_path.startswith(("s3:", "s3a:")):
        raise SettingsError(
            "s3-buffer.payload-storage-path (NEXUS__S3_BUFFER__PAYLOAD_STORAGE_PATH): this release "
            "has no adapter for S3; name a folder"
        )
    urls = _signed_urls(settings)
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(SqliteDatabase.open(settings.store_file))
        payloads = await stack.enter_async_context(
            FolderPayloadStore.open(settings.payload_folder, urls, clock)
        )
        yield Stores(
            store=SqliteCheckpointStore(database, clock),
            index=SqliteRunIndex(database),
            leases=SqliteLeaseStore(database),
            payloads=payloads,
            urls=urls,
        )


def _signed_urls(settings: ServiceSettings) -> SignedUrls:
    try:
        return SignedUrls(
            settings.scheduler_url, settings.signing.secret.encode(), settings.signing.tenant_id
        )
    except InvalidInputError as error:
        raise SettingsError(f"signing.secret (NEXUS__SIGNING__SECRET): {error}") from error
