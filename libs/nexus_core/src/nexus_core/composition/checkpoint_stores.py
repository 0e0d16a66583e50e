"""The stores of checkpoints and leases, and what finds runs in them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from nexus_core.adapters.sqlite.checkpoint_store import SqliteCheckpointStore
from nexus_core.adapters.sqlite.database import SqliteDatabase
from nexus_core.adapters.sqlite.lease_store import SqliteLeaseStore
from nexus_core.adapters.sqlite.run_index import SqliteRunIndex
from nexus_core.ports.checkpoint_store import CheckpointStore
from nexus_core.ports.clock import Clock
from nexus_core.ports.lease_store import LeaseStore
from nexus_core.ports.run_index import RunIndex
from nexus_core.settings.loader import SettingsError
from nexus_core.settings.sections import ServiceSettings


@dataclass(frozen=True, kw_only=True)
class CheckpointStores:
    """Three ports on one database."""

    store: CheckpointStore
    index: RunIndex
    leases: LeaseStore


@asynccontextmanager
async def open_checkpoint_stores(
    settings: ServiceSettings, clock: Clock
) -> AsyncIterator[CheckpointStores]:
    """Open the database that `cql-store-type` names.

    Raises:
        SettingsError: a setting names what there is not.
        UnavailableError: the database can't be opened.
        InvalidInputError: what is there is no database of this Nexus.
    """
    if settings.cql_store_type != "embedded":
        raise SettingsError(
            f"cql-store-type (NEXUS__CQL_STORE_TYPE): this release has no adapter for "
            f"'{settings.cql_store_type}'; use 'embedded'"
        )
    async with SqliteDatabase.open(settings.store_file) as database:
        yield CheckpointStores(
            store=SqliteCheckpointStore(database, clock),
            index=SqliteRunIndex(database),
            leases=SqliteLeaseStore(database),
        )
