"""Why connecting failed, where no server is there to be asked."""

import pytest

from nexus_core.adapters.cassandra.driver import Fault
from nexus_core.adapters.cassandra.errors import NotReachedError
from nexus_core.adapters.cassandra.explain import explained
from nexus_core.adapters.cassandra.plan import Plan
from tools.testbed.ports import LOOPBACK, free_ports

WORDS = "No hosts available"


async def nobody_is_asked() -> set[str]:
    pytest.fail("who does not listen is not asked for its data centres")


async def why(*hosts: str) -> str:
    (port,) = free_ports(1)
    plan = Plan(name="Cassandra", hosts=hosts, port=port, local_dc="here", connect_seconds=1.0)
    error = await explained(plan, (Fault.NOT_SENT, WORDS), nobody_is_asked)
    assert isinstance(error, NotReachedError)
    return str(error)


async def test_a_name_that_nobody_knows_is_told() -> None:
    # A name that no name server may know; where there is none, it is the same.
    told = await why("cassandra.invalid")
    assert told.startswith("Cassandra: can't be reached: cassandra.invalid can't be looked up: ")


async def test_a_name_among_others_is_not_blamed() -> None:
    assert await why("cassandra.invalid", LOOPBACK) == f"Cassandra: can't be reached: {WORDS}"


async def test_a_host_where_nobody_listens_is_told_in_the_drivers_words() -> None:
    assert await why(LOOPBACK) == f"Cassandra: can't be reached: {WORDS}"
