"""What the session does with either driver's faults: repeats, waits, names."""

import asyncio
from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from nexus_core.adapters.cassandra.driver import Answer, Ask, Fault, Prepared
from nexus_core.adapters.cassandra.driver_session import (
    may_repeat,
    outcome_of,
    with_keyspace,
)
from nexus_core.adapters.cassandra.errors import (
    NotReachedError,
    OutcomeUnknownError,
    RefusedError,
    UnusableError,
)
from nexus_core.adapters.cassandra.session import Statement, Value
from nexus_core.domain.errors import UnavailableError
from support.scripted_driver import LIMITS, ScriptedDriver, session_on

READ = Statement("SELECT a FROM things WHERE a = ?")
WRITE = Statement("UPDATE things SET b = ? WHERE a = ?", idempotent=True)
COUNT = Statement("UPDATE things SET b = ? WHERE a = ? IF b = ?")


@pytest.mark.parametrize("fault", [Fault.NOT_SENT, Fault.REFUSED, Fault.UNKNOWN])
async def test_a_read_and_an_idempotent_write_are_repeated(fault: Fault) -> None:
    driver = ScriptedDriver(fault, fault)
    assert await session_on(driver).execute(READ, ["x"]) == [("x",)]
    driver.faults = [fault, fault]
    await session_on(driver).execute(WRITE, [1, "x"])
    driver.faults = [fault, fault]
    await session_on(driver).batch([(WRITE, [1, "x"]), (WRITE, [2, "y"])])
    assert len(driver.asked) == 9


@pytest.mark.parametrize("fault", [Fault.NOT_SENT, Fault.REFUSED])
async def test_a_transaction_that_did_not_happen_is_repeated(fault: Fault) -> None:
    driver = ScriptedDriver(fault)
    driver.answer = Answer(["[applied]"], [(True,)], None)
    assert (await session_on(driver).apply(COUNT, [1, "x", 0])).applied


async def test_a_transaction_whose_outcome_is_unknown_is_never_repeated() -> None:
    driver = ScriptedDriver(Fault.UNKNOWN)
    with pytest.raises(OutcomeUnknownError):
        await session_on(driver).apply(replace(COUNT, idempotent=True), [1, "x", 0])
    assert len(driver.asked) == 1


async def test_a_batch_with_one_part_that_is_not_idempotent_is_not_repeated() -> None:
    driver = ScriptedDriver(Fault.UNKNOWN)
    plain = replace(WRITE, idempotent=False)
    with pytest.raises(OutcomeUnknownError):
        await session_on(driver).batch([(WRITE, [1, "x"]), (plain, [1, "x"])])
    assert len(driver.asked) == 1


@pytest.mark.parametrize(
    ("fault", "of_read", "of_write"),
    [
        (Fault.NOT_SENT, NotReachedError, NotReachedError),
        (Fault.REFUSED, RefusedError, RefusedError),
        (Fault.UNKNOWN, NotReachedError, OutcomeUnknownError),
        (Fault.UNUSABLE, UnusableError, UnusableError),
    ],
)
async def test_what_goes_on_failing_is_told_by_what_it_means(
    fault: Fault, of_read: type[UnavailableError], of_write: type[UnavailableError]
) -> None:
    with pytest.raises(of_read, match=f"^Cassandra at x: {fault.value}$"):
        await session_on(ScriptedDriver(fault, fault, fault)).execute(READ, ["x"])
    with pytest.raises(of_write):
        await session_on(ScriptedDriver(fault, fault, fault)).execute(WRITE, [1, "x"])


async def test_what_is_broken_is_not_tried_again() -> None:
    driver = ScriptedDriver(Fault.UNUSABLE)
    with pytest.raises(UnusableError):
        await session_on(driver).execute(READ, ["x"])
    assert len(driver.asked) == 1


async def test_tries_end() -> None:
    driver = ScriptedDriver(*[Fault.NOT_SENT] * 10)
    with pytest.raises(NotReachedError):
        await session_on(driver).execute(READ, ["x"])
    assert len(driver.asked) == LIMITS.tries


async def test_no_try_begins_that_patience_would_not_see_end() -> None:
    driver = ScriptedDriver(*[Fault.NOT_SENT] * 10)
    with pytest.raises(NotReachedError):
        await session_on(driver).execute(READ, ["x"], within=0.01)
    assert len(driver.asked) == 1
    assert 0 < driver.asked[0].seconds <= 0.01


async def test_who_has_no_time_is_not_waited_for_without_end() -> None:
    driver = ScriptedDriver(*[Fault.NOT_SENT] * 10)
    with pytest.raises(NotReachedError):
        await session_on(driver).execute(READ, ["x"], within=-1.0)
    assert driver.asked[0].seconds >= 0.001


async def test_a_write_that_could_not_be_prepared_has_not_happened() -> None:
    driver = ScriptedDriver()
    driver.preparing = [Fault.UNKNOWN] * 3
    with pytest.raises(NotReachedError):
        await session_on(driver).apply(COUNT, [1, "x", 0])
    assert driver.asked == []


async def test_a_mistake_of_ours_is_no_outage() -> None:
    class Mistaken(ScriptedDriver):
        async def execute(self, prepared: Prepared, values: Sequence[Value], ask: Ask) -> Answer:
            raise TypeError(f"{prepared} {values} {ask}")

    with pytest.raises(TypeError):
        await session_on(Mistaken()).execute(READ, ["x"])


async def test_a_statement_is_prepared_once_and_with_its_keyspace() -> None:
    driver = ScriptedDriver()
    session = session_on(driver)
    await session.prepare([READ])
    await session.execute(READ, ["x"])
    await session.execute(Statement(READ.cql), ["x"])
    assert driver.prepared == ["SELECT a FROM nexus.things WHERE a = ?"]


async def test_no_more_is_in_flight_than_said() -> None:
    driver = ScriptedDriver()
    driver.gate = asyncio.Event()
    session = session_on(driver)
    tasks = [asyncio.ensure_future(session.execute(READ, ["x"])) for _ in range(5)]
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(driver.asked) == LIMITS.in_flight
    driver.gate.set()
    await asyncio.gather(*tasks)
    assert len(driver.asked) == 5


async def test_who_finds_no_room_in_time_is_told_so_and_nothing_was_sent() -> None:
    driver = ScriptedDriver()
    driver.gate = asyncio.Event()
    session = session_on(driver)
    tasks = [asyncio.ensure_future(session.execute(READ, ["x"])) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(NotReachedError, match="2 requests are under way"):
        await session.apply(COUNT, [1, "x", 0], within=0.01)
    driver.gate.set()
    await asyncio.gather(*tasks)


async def test_a_call_that_is_cancelled_gives_its_place_back() -> None:
    driver = ScriptedDriver()
    driver.gate = asyncio.Event()
    session = session_on(driver, replace(LIMITS, in_flight=1))
    task = asyncio.ensure_future(session.execute(READ, ["x"]))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    driver.gate.set()
    assert await session.execute(READ, ["x"]) == [("x",)]


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("repeats", [True, False])
def test_only_what_is_known_not_to_have_happened_is_repeated_blindly(
    fault: Fault,
    repeats: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    blindly = fault in {Fault.NOT_SENT, Fault.REFUSED}
    assert may_repeat(fault, repeats) == (blindly or (repeats and fault is Fault.UNKNOWN))


def test_an_outcome_is_read_by_name_and_not_by_place() -> None:
    scylla = outcome_of(Answer(["a", "[applied]"], [(None, False)], None))
    cassandra = outcome_of(Answer(["[applied]"], [(False,)], None))
    assert (scylla.applied, scylla.current) == (False, {"a": None})
    assert (cassandra.applied, cassandra.current) == (False, {})


@pytest.mark.parametrize(
    ("cql", "qualified"),
    [
        ("SELECT a FROM things WHERE b = ?", "SELECT a FROM nexus.things WHERE b = ?"),
        ("INSERT INTO things (a) VALUES (?)", "INSERT INTO nexus.things (a) VALUES (?)"),
        ("UPDATE things USING TTL ? SET a = ?", "UPDATE nexus.things USING TTL ? SET a = ?"),
        ("DELETE a FROM\n    things WHERE b = ?", "DELETE a FROM\n    nexus.things WHERE b = ?"),
        ("SELECT key FROM system.local", "SELECT key FROM system.local"),
        ("SELECT received_from FROM things", "SELECT received_from FROM nexus.things"),
    ],
)
def test_tables_get_their_keyspace(cql: str, qualified: str) -> None:
    assert with_keyspace(cql, "nexus") == qualified
