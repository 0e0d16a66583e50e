"""Sessions on the testbed's Cassandra, over both drivers."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from nexus_core.adapters.cassandra.connect import DriverName, open_session
from nexus_core.adapters.cassandra.plan import Plan
from nexus_core.adapters.cassandra.session import CqlSession
from support.cassandra import LIMITS, drop_keyspace, make_keyspace, plan_of
from tools.testbed.description import CassandraDescription

_TABLE = """
CREATE TABLE things (
    a text, b text, number int, big bigint, flag boolean, raw blob, at timestamp, words list<text>,
    PRIMARY KEY ((a), b)
)
"""


@pytest.fixture(params=list(DriverName))
def driver(request: pytest.FixtureRequest) -> DriverName:
    """Each driver in turn."""
    chosen: DriverName = request.param
    return chosen


@pytest.fixture(scope="session")
def keyspace(cassandra_server: CassandraDescription) -> Iterator[str]:
    """One with the table `things`, for all tests of a process, which keep to keys of their own."""
    # Not by an asynchronous fixture: its loop would outlive those of the tests.
    name = asyncio.run(make_keyspace(cassandra_server, _TABLE))
    yield name
    asyncio.run(drop_keyspace(cassandra_server, name))


@pytest.fixture
def plan(cassandra_server: CassandraDescription, keyspace: str) -> Plan:
    return plan_of(cassandra_server, keyspace)


@pytest.fixture
async def session(plan: Plan, driver: DriverName) -> AsyncIterator[CqlSession]:
    async with open_session(plan, LIMITS, driver) as session:
        yield session
