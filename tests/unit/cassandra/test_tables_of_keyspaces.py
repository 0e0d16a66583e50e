"""Waiting for tables that Amazon Keyspaces makes after its statement has returned."""

import asyncio
from collections.abc import Sequence

import pytest

from nexus_core.adapters.cassandra.driver import Answer, Ask, Prepared
from nexus_core.adapters.cassandra.schema.apply import until_active
from nexus_core.adapters.cassandra.session import Row, Value
from nexus_core.domain.errors import UnavailableError
from support.clock import ManualClock
from support.scripted_driver import ScriptedDriver, session_on
from support.waiting import until


class KeyspacesDriver(ScriptedDriver):
    """Answers what Keyspaces answers, if it is it."""

    def __init__(self, *, is_keyspaces: bool) -> None:
        super().__init__()
        self.is_keyspaces = is_keyspaces
        self.statuses: list[Row] = [("a", "ACTIVE"), ("b", "CREATING")]

    async def execute(self, prepared: Prepared, values: Sequence[Value], ask: Ask) -> Answer:
        await super().execute(prepared, values, ask)
        if "system_schema.keyspaces" in prepared:
            return Answer(["keyspace_name"], [("system_schema_mcs",)] * self.is_keyspaces, None)
        return Answer(["table_name", "status"], self.statuses, None)


async def test_other_stores_are_not_asked(clock: ManualClock) -> None:
    driver = KeyspacesDriver(is_keyspaces=False)
    await until_active(session_on(driver), clock)
    assert len(driver.asked) == 1


async def test_a_table_is_waited_for(clock: ManualClock) -> None:
    driver = KeyspacesDriver(is_keyspaces=True)
    waiting = asyncio.ensure_future(until_active(session_on(driver), clock))
    await until(lambda: len(driver.asked) >= 2)
    assert not waiting.done()
    driver.statuses = [("a", "ACTIVE"), ("b", "ACTIVE")]
    await clock.advance(5)
    await waiting


async def test_a_table_that_never_is_there_is_named(clock: ManualClock) -> None:
    driver = KeyspacesDriver(is_keyspaces=True)
    waiting = asyncio.ensure_future(until_active(session_on(driver), clock))
    await until(lambda: len(driver.asked) >= 2)
    await clock.advance(600)
    with pytest.raises(UnavailableError, match="still being made: b"):
        await waiting
