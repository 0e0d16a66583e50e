"""Stores on the testbed's Cassandra, in both variants, with sessions that tests may meddle with."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest

from nexus_core.adapters.cassandra.connect import DriverName, open_session
from nexus_core.adapters.cassandra.plan import Plan
from nexus_core.adapters.cassandra.session import CqlSession
from nexus_core.adapters.cassandra.stores import CassandraStores, Variant, open_cassandra_stores
from nexus_core.ports.clock import Clock
from support.cassandra import LIMITS, plan_of
from support.cassandra_stores import INDEXED, UNINDEXED
from support.clock import ManualClock

OpenStores = Callable[[CqlSession, Clock], AbstractAsyncContextManager[CassandraStores]]


@pytest.fixture(params=[INDEXED, UNINDEXED], ids=["indexed", "unindexed"])
def variant(request: pytest.FixtureRequest) -> Variant:
    chosen: Variant = request.param
    return chosen


@pytest.fixture
def plan(request: pytest.FixtureRequest, variant: Variant) -> Plan:
    kind = "indexed" if variant.indexed else "unindexed"
    server = request.getfixturevalue("cassandra_server")
    return plan_of(server, request.getfixturevalue(f"{kind}_keyspace"))


@pytest.fixture
async def session(plan: Plan) -> AsyncIterator[CqlSession]:
    async with open_session(plan, LIMITS, DriverName.ACSYLLA) as session:
        yield session


@pytest.fixture
async def stores(
    session: CqlSession, clock: ManualClock, variant: Variant
) -> AsyncIterator[CassandraStores]:
    async with open_cassandra_stores(session, clock, variant) as stores:
        yield stores
