"""Sessions on a store that speaks CQL."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from msgspec.structs import replace

from nexus_core.adapters.cassandra.astra_bundle import kept
from nexus_core.adapters.cassandra.connect import open_session
from nexus_core.adapters.cassandra.schema.check import require_schema
from nexus_core.adapters.cassandra.session import CqlSession
from nexus_core.adapters.cassandra.waiting_session import WaitingSession
from nexus_core.composition.cql_store import CqlStore
from nexus_core.ports.clock import Clock


@asynccontextmanager
async def open_cql_session(
    store: CqlStore, *, in_keyspace: bool = True
) -> AsyncIterator[CqlSession]:
    """Connect to a store now; outside of its keyspace, to make that.

    Raises:
        UnavailableError: it can't be reached, or won't have us; one line that names the thing.
    """
    plan = store.plan if in_keyspace else replace(store.plan, keyspace="")
    async with AsyncExitStack() as stack:
        if store.bundle is not None:
            plan = replace(plan, bundle=stack.enter_context(kept(store.bundle)))
        yield await stack.enter_async_context(open_session(plan, store.limits, store.driver))


def open_waiting_session(store: CqlStore, clock: Clock) -> AbstractAsyncContextManager[CqlSession]:
    """Open a session that is there though the store, or its schema, is not there yet."""

    async def admit(session: CqlSession) -> None:
        await require_schema(session, indexed=store.indexed)

    return WaitingSession.open(store.plan.keyspace, lambda: open_cql_session(store), admit, clock)
