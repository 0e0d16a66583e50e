"""The stores of checkpoints, leases and the journal, and what finds runs in them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from nexus_core.adapters.cassandra.payload_buffer import (
    LARGEST_ROW,
    LARGEST_ROW_OF_KEYSPACES,
    PayloadBuffer,
)
from nexus_core.adapters.cassandra.stores import Variant, open_cassandra_stores
from nexus_core.adapters.sqlite.checkpoint_store import SqliteCheckpointStore
from nexus_core.adapters.sqlite.database import SqliteDatabase
from nexus_core.adapters.sqlite.journal import SqliteJournal
from nexus_core.adapters.sqlite.leader_election import SqliteLeaderElection
from nexus_core.adapters.sqlite.lease_store import SqliteLeaseStore
from nexus_core.adapters.sqlite.retention import SqliteRetention
from nexus_core.adapters.sqlite.run_index import SqliteRunIndex
from nexus_core.composition.cql import open_waiting_session
from nexus_core.composition.cql_store import cql_store
from nexus_core.ports.checkpoint_store import CheckpointStore
from nexus_core.ports.clock import Clock
from nexus_core.ports.journal import Journal
from nexus_core.ports.leader_election import LeaderElection
from nexus_core.ports.lease_store import LeaseStore
from nexus_core.ports.retention import Retention
from nexus_core.ports.run_index import RunIndex
from nexus_core.settings.sections import ServiceSettings


@dataclass(frozen=True, kw_only=True)
class CheckpointStores:
    """The ports on one database."""

    store: CheckpointStore
    index: RunIndex
    leases: LeaseStore
    journal: Journal
    election: LeaderElection
    retention: Retention
    payload_buffer: PayloadBuffer | None = None
    """None where the database has no room for payloads, which go to the payload store then."""


@asynccontextmanager
async def open_checkpoint_stores(
    settings: ServiceSettings, clock: Clock
) -> AsyncIterator[CheckpointStores]:
    """Open the database that `cql-store-type` names.

    One that speaks CQL need not be there yet: that it is not is told by the store's `ping`.

    Raises:
        SettingsError: a setting is bad, or a file that it names.
        UnavailableError: the embedded database can't be opened.
        InvalidInputError: what is there is no database of this Nexus.
    """
    kind = _open_embedded if settings.cql_store_type == "embedded" else _open_cql
    async with kind(settings, clock) as stores:
        yield stores


@asynccontextmanager
async def _open_embedded(
    settings: ServiceSettings, clock: Clock
) -> AsyncIterator[CheckpointStores]:
    async with SqliteDatabase.open(settings.store_file) as database:
        yield CheckpointStores(
            store=SqliteCheckpointStore(database, clock),
            index=SqliteRunIndex(database),
            leases=SqliteLeaseStore(database),
            journal=SqliteJournal(database, clock),
            election=SqliteLeaderElection(database, clock),
            retention=SqliteRetention(database),
        )


@asynccontextmanager
async def _open_cql(settings: ServiceSettings, clock: Clock) -> AsyncIterator[CheckpointStores]:
    store = cql_store(settings)
    keyspaces = settings.cql_store_type == "keyspaces"
    variant = Variant(
        indexed=store.indexed,
        # Keyspaces refuses timestamps of long ago.
        any_timestamp=not keyspaces,
        adopts=settings.cql.adopt_runs,
    )
    async with (
        open_waiting_session(store, clock) as session,
        open_cassandra_stores(session, clock, variant) as stores,
    ):
        yield CheckpointStores(
            store=stores.checkpoints,
            index=stores.index,
            leases=stores.leases,
            journal=stores.journal,
            election=stores.election,
            retention=stores.retention,
            payload_buffer=PayloadBuffer(
                session, LARGEST_ROW_OF_KEYSPACES if keyspaces else LARGEST_ROW
            ),
        )
