"""The checkpoint store on the Cassandra of the testbed, in both of its variants.

A keyspace of each for all tests of a process, which keep to names of their own or `forget_all`.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest

from nexus_core.adapters.cassandra.connect import DriverName, open_session
from nexus_core.adapters.cassandra.schema.steps import read_steps
from nexus_core.adapters.cassandra.session import CqlSession, Statement
from nexus_core.adapters.cassandra.stores import CassandraStores, Variant, open_cassandra_stores
from nexus_core.ports.clock import Clock
from support.cassandra import LIMITS, drop_keyspace, make_keyspace, plan_of
from tools.testbed.description import CassandraDescription

INDEXED = Variant(indexed=True)
UNINDEXED = Variant(indexed=False)

_KEYS = {
    "idempotency_keys": ("algorithm", "key"),
    "leases": ("pool", "owner"),
    "open_slots": ("ledger", "cluster", "slot"),
    "open_parts": ("cluster", "slot", "owner", "part"),
    "run_events": ("algorithm", "id", "at", "kind", "subject"),
    "log_tails": ("algorithm", "id"),
    "lane_samples": ("owner", "cluster", "day", "at"),
    "leaders": ("role",),
    "retention_places": ("kind",),
    "ending_minutes": ("day", "minute"),
    "endings": ("minute", "at", "id", "algorithm"),
    "finished_days": ("stage", "list", "day"),
    "finished_minutes": ("stage", "list", "day", "minute"),
    "finished_runs": ("stage", "list", "minute", "received_at", "id", "algorithm"),
}
_KEYS_OF_VARIANT = {
    True: {"checkpoints": ("algorithm", "id")},
    False: {"checkpoints_by_tag": ("tag", "id")},
}


@pytest.fixture(scope="session")
def indexed_keyspace(cassandra_server: CassandraDescription) -> Iterator[str]:
    with schema_of(cassandra_server, indexed=True) as name:
        yield name


@pytest.fixture(scope="session")
def unindexed_keyspace(cassandra_server: CassandraDescription) -> Iterator[str]:
    with schema_of(cassandra_server, indexed=False) as name:
        yield name


@contextmanager
def schema_of(server: CassandraDescription, *, indexed: bool) -> Iterator[str]:
    """Make a keyspace with all tables, for as long as the block runs; return its name."""
    steps = read_steps(indexed=indexed)
    statements = [statement for step in steps for statement in step.statements]
    # Not by an asynchronous fixture: its loop would outlive those of the tests.
    name = asyncio.run(make_keyspace(server, *statements))
    yield name
    asyncio.run(drop_keyspace(server, name))


@asynccontextmanager
async def open_stores(
    server: CassandraDescription, keyspace: str, clock: Clock, variant: Variant
) -> AsyncIterator[CassandraStores]:
    """Open the ports on a keyspace, as one who looks at what others left there."""
    async with (
        open_session(plan_of(server, keyspace), LIMITS, DriverName.ACSYLLA) as session,
        open_cassandra_stores(session, clock, variant) as stores,
    ):
        yield stores


async def forget_all(session: CqlSession, *, indexed: bool) -> None:
    """Remove what leads to runs of earlier tests, row by row: truncating takes seconds."""
    tables = _KEYS | _KEYS_OF_VARIANT[indexed]
    await asyncio.gather(*(_forget(session, table, key) for table, key in tables.items()))


async def _forget(session: CqlSession, table: str, key: tuple[str, ...]) -> None:
    rows = await session.execute(Statement(f"SELECT {', '.join(key)} FROM {table}"))  # noqa: S608 - from above
    delete = Statement(f"DELETE FROM {table} WHERE {' = ? AND '.join(key)} = ?")  # noqa: S608 - likewise
    await asyncio.gather(*(session.execute(delete, row) for row in rows))
