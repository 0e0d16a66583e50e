"""A CQL driver that follows a script."""

import asyncio
from collections.abc import Sequence

from nexus_core.adapters.cassandra.driver import Answer, Ask, Fault, Prepared
from nexus_core.adapters.cassandra.driver_session import DriverSession, Limits
from nexus_core.adapters.cassandra.session import Statement, Value

LIMITS = Limits(in_flight=2, request_seconds=5.0, patience_seconds=10.0, tries=3)


class FaultError(Exception):
    """What the scripted driver raises."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.value)
        self.fault = fault


class ScriptedDriver:
    """Fails as its script says, call by call, and then answers."""

    def __init__(self, *faults: Fault) -> None:
        self.faults = list(faults)
        self.preparing: list[Fault] = []
        self.prepared: list[str] = []
        self.asked: list[Ask] = []
        self.answer = Answer(["a"], [("x",)], None)
        self.gate: asyncio.Event | None = None

    async def prepare(self, statement: Statement, seconds: float) -> Prepared:
        assert seconds > 0
        if self.preparing:
            raise FaultError(self.preparing.pop(0))
        self.prepared.append(statement.cql)
        return statement.cql

    async def execute(self, prepared: Prepared, values: Sequence[Value], ask: Ask) -> Answer:
        assert prepared
        assert values is not None
        self.asked.append(ask)
        if self.gate is not None:
            await self.gate.wait()
        if self.faults:
            raise FaultError(self.faults.pop(0))
        return self.answer

    async def batch(
        self, writes: Sequence[tuple[Prepared, Sequence[Value]]], seconds: float
    ) -> None:
        await self.execute(writes[0][0], [], Ask(seconds))

    async def define(self, cql: str, seconds: float) -> None:
        await self.execute(cql, [], Ask(seconds))

    def fault_of(self, error: Exception) -> tuple[Fault, str] | None:
        return (error.fault, str(error)) if isinstance(error, FaultError) else None

    async def close(self) -> None:
        pass


def session_on(driver: ScriptedDriver, limits: Limits = LIMITS) -> DriverSession:
    return DriverSession(driver, keyspace="nexus", name="Cassandra at x", limits=limits)
