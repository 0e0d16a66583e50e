"""Ways into the Cassandra of the testbed."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from msgspec.structs import replace

from nexus_core.adapters.cassandra.connect import DriverName, open_session
from nexus_core.adapters.cassandra.driver_session import Limits
from nexus_core.adapters.cassandra.plan import Login, Plan, Tls
from support.release import THIS_RELEASE
from tools.testbed.description import CassandraDescription, Description
from tools.testbed.nexus import settings_for

LIMITS = Limits(in_flight=256, request_seconds=10.0, patience_seconds=30.0, tries=3)


def plan_of(server: CassandraDescription, keyspace: str = "") -> Plan:
    """The superuser's way in, in the clear."""
    return Plan(
        name="Cassandra of the testbed",
        hosts=(server.host,),
        port=server.port,
        login=Login(server.user, server.password),
        local_dc=server.local_dc,
        keyspace=keyspace,
        # A machine that runs all tests may be slow, which none of them is about.
        connect_seconds=20.0,
        request_seconds=20.0,
    )


def encrypted_plan_of(server: CassandraDescription) -> Plan:
    """The same over TLS, with the certificate that the server wants to see."""
    tls = Tls(
        ca=Path(server.ca),
        certificate=Path(server.client_certificate),
        key=Path(server.client_key),
    )
    return replace(plan_of(server), port=server.tls_port, tls=tls)


async def make_keyspace(server: CassandraDescription, *statements: str) -> str:
    """Make a keyspace that nobody else uses, run statements in it, return its name."""
    name = f"test_{uuid4().hex[:12]}"
    replication = "{'class': 'NetworkTopologyStrategy', 'replication_factor': 1}"
    async with open_session(plan_of(server), LIMITS, DriverName.ACSYLLA) as session:
        await session.define(f"CREATE KEYSPACE {name} WITH replication = {replication}")
    async with open_session(plan_of(server, name), LIMITS, DriverName.ACSYLLA) as session:
        for statement in statements:
            await session.define(statement)
    return name


async def drop_keyspace(server: CassandraDescription, name: str) -> None:
    """Drop it, and all that is in it."""
    async with open_session(plan_of(server), LIMITS, DriverName.ACSYLLA) as session:
        await session.define(f"DROP KEYSPACE {name}")


@contextmanager
def an_applied_keyspace(testbed: Description, server: CassandraDescription) -> Iterator[str]:
    """Give a keyspace that nobody else uses, made as people make theirs; has indexes."""
    name = f"test_{uuid4().hex[:12]}"
    command = ("apply", "--create-keyspace", "--replication=1")
    assert THIS_RELEASE.schema(*command, settings=settings_for(testbed, name)) == 0
    yield name
    asyncio.run(drop_keyspace(server, name))
