"""Opening a session with either driver."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from types import ModuleType

from msgspec.structs import replace

from nexus_core.adapters.cassandra.driver import Driver
from nexus_core.adapters.cassandra.driver_session import DriverSession, Limits
from nexus_core.adapters.cassandra.explain import explained
from nexus_core.adapters.cassandra.plan import Plan
from nexus_core.adapters.cassandra.session import Statement

# Connecting asks every contact point in turn, looks names up, and reads the schema.
_STEPS = 3


class DriverName(StrEnum):
    """The drivers to choose from; see docs/decisions."""

    ACSYLLA = "acsylla"
    DATASTAX = "datastax"


@asynccontextmanager
async def open_session(
    plan: Plan, limits: Limits, driver: DriverName
) -> AsyncIterator[DriverSession]:
    """Connect, and close when the block is left.

    Raises:
        NotReachedError: no host answers.
        UnusableError: one does, and won't have us, or has no such keyspace or data centre.
    """
    connected = await _connect(plan, limits, driver)
    try:
        yield DriverSession(connected, keyspace=plan.keyspace, name=plan.name, limits=limits)
    finally:
        await asyncio.shield(connected.close())


async def _connect(plan: Plan, limits: Limits, driver: DriverName) -> Driver:
    kind = _module(driver)
    try:
        async with asyncio.timeout(_STEPS * plan.connect_seconds):
            opened: Driver = await kind.open_driver(plan)
            return opened
    except Exception as error:
        fault = kind.fault_of(error)
        if fault is None:
            raise

        async def data_centres() -> set[str]:
            anywhere = replace(plan, local_dc="", keyspace="")
            async with open_session(anywhere, limits, driver) as session:
                return await _data_centres(session)

        raise await explained(plan, fault, data_centres) from error


def _module(driver: DriverName) -> ModuleType:
    # Here and not above, so that the driver that is not chosen need not be installed.
    if driver is DriverName.ACSYLLA:
        from nexus_core.adapters.cassandra import acsylla_driver  # noqa: PLC0415

        return acsylla_driver
    from nexus_core.adapters.cassandra import datastax_driver  # noqa: PLC0415

    return datastax_driver


async def _data_centres(session: DriverSession) -> set[str]:
    found = set()
    for table in ("local", "peers"):
        rows = await session.execute(Statement(f"SELECT data_center FROM system.{table}"))  # noqa: S608 - two words from above
        found |= {str(row[0]) for row in rows}
    return found
