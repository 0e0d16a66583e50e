"""What both drivers do behind the one session, on a real server."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from uuid import uuid4

import pytest
from msgspec.structs import replace

from nexus_core.adapters.cassandra.connect import DriverName, open_session
from nexus_core.adapters.cassandra.errors import NotReachedError, UnusableError
from nexus_core.adapters.cassandra.plan import Plan
from nexus_core.adapters.cassandra.session import UNSET, Consistency, CqlSession, Statement, Value
from support.cassandra import LIMITS

pytestmark = pytest.mark.integration

_INSERT = Statement(
    "INSERT INTO things (a, b, number, big, flag, raw, at, words) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    idempotent=True,
)
_READ = Statement("SELECT b, number, big, flag, raw, at, words FROM things WHERE a = ?")
_READ_ONE = Statement("SELECT number, words FROM things WHERE a = ? AND b = ?")
_NOON = datetime(2026, 11, 25, 12, 0, 0, 123_999, tzinfo=UTC)


@pytest.fixture
def key() -> str:
    """A partition of the test's own."""
    return uuid4().hex


async def _insert(session: CqlSession, key: str, name: str, **values: Value) -> None:
    names = ("number", "big", "flag", "raw", "at", "words")
    await session.execute(_INSERT, [key, name, *(values.get(one, UNSET) for one in names)])


async def test_values_come_back_as_they_went(session: CqlSession, key: str) -> None:
    values: list[Value] = [7, 2**40, True, b"\x00\xff", _NOON, ["x", "ü"]]
    await session.execute(_INSERT, [key, "1", *values])
    [row] = await session.execute(_READ, [key])
    assert row == ("1", 7, 2**40, True, b"\x00\xff", _NOON.replace(microsecond=123_000), ["x", "ü"])
    assert isinstance(row[5], datetime)
    assert row[5].tzinfo is not None


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (datetime(2026, 11, 25, 14, 30, tzinfo=timezone(timedelta(hours=2))), "2026-11-25T12:30"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00"),
        (datetime(1970, 1, 1, tzinfo=UTC), "1970-01-01T00:00"),
        (datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), "1969-12-31T23:59:59.999"),
    ],
)
async def test_times_are_kept_to_the_millisecond_in_utc(
    session: CqlSession, key: str, written: datetime, read: str
) -> None:
    await _insert(session, key, "1", at=written)
    [row] = await session.execute(_READ, [key])
    assert row[5] == datetime.fromisoformat(read).replace(tzinfo=UTC)


async def test_no_millisecond_is_rounded_away(session: CqlSession, key: str) -> None:
    times = [_NOON.replace(microsecond=1000 * each) for each in range(0, 1000, 7)]
    await asyncio.gather(
        *(_insert(session, key, f"{index:03}", at=at) for index, at in enumerate(times))
    )
    assert [row[5] for row in await session.execute(_READ, [key])] == times


async def test_null_erases_and_unset_leaves_alone(session: CqlSession, key: str) -> None:
    await _insert(session, key, "1", number=1, words=["x"])
    await session.execute(_INSERT, [key, "1", UNSET, 2, UNSET, UNSET, UNSET, None])
    assert await session.execute(_READ_ONE, [key, "1"]) == [(1, None)]


async def test_unset_leaves_no_tombstone(session: CqlSession, key: str) -> None:
    await session.execute(_INSERT, [key, "1", UNSET, UNSET, UNSET, UNSET, UNSET, UNSET])
    written = Statement("SELECT WRITETIME(number) FROM things WHERE a = ?")
    assert await session.execute(written, [key]) == [(None,)]


async def test_an_empty_list_reads_as_none(session: CqlSession, key: str) -> None:
    await _insert(session, key, "1", number=1, words=[])
    assert await session.execute(_READ_ONE, [key, "1"]) == [(1, None)]


async def test_a_list_can_stand_for_several_values(session: CqlSession, key: str) -> None:
    for name in ("1", "2", "3"):
        await _insert(session, key, name, number=int(name))
    some = Statement("SELECT b FROM things WHERE a = ? AND b IN ?")
    assert await session.execute(some, [key, ["1", "3"]]) == [("1",), ("3",)]


async def test_more_rows_than_a_page_are_all_returned(session: CqlSession, key: str) -> None:
    await asyncio.gather(*(_insert(session, key, f"{n:04}", number=n) for n in range(1100)))
    assert len(await session.execute(_READ, [key])) == 1100


async def test_pages_come_one_by_one_and_in_order(session: CqlSession, key: str) -> None:
    await asyncio.gather(*(_insert(session, key, f"{n:02}", number=n) for n in range(25)))
    pages = [[row[0] for row in page] async for page in session.pages(_READ, [key], page_size=10)]
    assert [len(page) for page in pages if page] == [10, 10, 5]
    assert [name for page in pages for name in page] == [f"{n:02}" for n in range(25)]


async def test_a_page_that_nobody_asks_for_is_not_fetched(session: CqlSession, key: str) -> None:
    await asyncio.gather(*(_insert(session, key, f"{n:02}", number=n) for n in range(25)))
    async for page in session.pages(_READ, [key], page_size=10):
        assert len(page) == 10
        break
    assert await session.execute(_READ_ONE, [key, "00"]) == [(0, None)]


async def test_a_transaction_says_whether_it_was_applied_and_what_stands_there(
    session: CqlSession, key: str
) -> None:
    change = Statement("UPDATE things SET number = ? WHERE a = ? AND b = ? IF number = ?")
    await _insert(session, key, "1", number=1)
    assert (await session.apply(change, [2, key, "1", 1])).applied
    refused = await session.apply(change, [3, key, "1", 1])
    assert not refused.applied
    assert refused.current == {"number": 2}


async def test_a_transaction_on_no_row_shows_none(session: CqlSession, key: str) -> None:
    change = Statement("UPDATE things SET number = ? WHERE a = ? AND b = ? IF number = ?")
    refused = await session.apply(change, [3, key, "1", 1])
    assert not refused.applied
    assert not any(refused.current.values())


async def test_an_insert_that_came_second_sees_the_first(session: CqlSession, key: str) -> None:
    insert = Statement("INSERT INTO things (a, b, number, at) VALUES (?, ?, ?, ?) IF NOT EXISTS")
    assert (await session.apply(insert, [key, "1", 1, _NOON])).applied
    refused = await session.apply(insert, [key, "1", 2, _NOON])
    assert not refused.applied
    assert refused.current["number"] == 1
    assert refused.current["at"] == _NOON.replace(microsecond=123_000)


async def test_a_condition_may_list_values(session: CqlSession, key: str) -> None:
    change = Statement("UPDATE things SET number = ? WHERE a = ? AND b = ? IF number IN (1, 2)")
    await _insert(session, key, "1", number=2)
    assert (await session.apply(change, [3, key, "1"])).applied


async def test_a_serial_read_sees_what_was_applied(session: CqlSession, key: str) -> None:
    insert = Statement("INSERT INTO things (a, b, number) VALUES (?, ?, ?) IF NOT EXISTS")
    await session.apply(insert, [key, "1", 1])
    serial = Statement(_READ_ONE.cql, consistency=Consistency.LOCAL_SERIAL)
    assert await session.execute(serial, [key, "1"]) == [(1, None)]


async def test_of_racing_transactions_one_is_applied(session: CqlSession, key: str) -> None:
    insert = Statement("INSERT INTO things (a, b, number) VALUES (?, ?, ?) IF NOT EXISTS")
    outcomes = await asyncio.gather(*(session.apply(insert, [key, "1", n]) for n in range(8)))
    assert [outcome.applied for outcome in outcomes].count(True) == 1


async def test_a_batch_writes_all(session: CqlSession, key: str) -> None:
    values: list[Value] = [key, "1", 1, UNSET, UNSET, UNSET, UNSET, UNSET]
    other = Statement("UPDATE things SET words = ? WHERE a = ? AND b = ?", idempotent=True)
    await session.batch([(_INSERT, values), (other, [["x"], key, "1"])])
    assert await session.execute(_READ_ONE, [key, "1"]) == [(1, ["x"])]


async def test_a_batch_with_a_bad_part_writes_nothing(session: CqlSession, key: str) -> None:
    values: list[Value] = [key, "1", 1, UNSET, UNSET, UNSET, UNSET, UNSET]
    bad = Statement("UPDATE things SET nothing = ? WHERE a = ? AND b = ?")
    with pytest.raises(UnusableError, match="nothing"):
        await session.batch([(_INSERT, values), (bad, ["x", key, "1"])])
    assert await session.execute(_READ_ONE, [key, "1"]) == []


async def test_a_write_may_carry_its_own_timestamp(session: CqlSession, key: str) -> None:
    stamped = Statement("UPDATE things USING TIMESTAMP ? SET number = ? WHERE a = ? AND b = ?")
    await session.execute(stamped, [1_000_000, 1, key, "1"])
    await session.execute(stamped, [999_999, 2, key, "1"])
    assert await session.execute(_READ_ONE, [key, "1"]) == [(1, None)]


async def test_a_write_without_one_is_stamped_by_the_clock(session: CqlSession, key: str) -> None:
    await _insert(session, key, "1", number=1)
    [[micros]] = await session.execute(
        Statement("SELECT WRITETIME(number) FROM things WHERE a = ?"), [key]
    )
    assert isinstance(micros, int)
    assert abs(micros / 1e6 - datetime.now(UTC).timestamp()) < 60


async def test_a_missing_table_is_named_when_it_is_prepared(session: CqlSession) -> None:
    with pytest.raises(UnusableError, match="nowhere"):
        await session.prepare([_READ, Statement("SELECT a FROM nowhere")])


async def test_a_mistake_in_our_cql_is_no_weather(session: CqlSession) -> None:
    with pytest.raises(UnusableError):
        await session.execute(Statement("SELEC"))


async def test_a_cancelled_call_leaves_the_session_usable(session: CqlSession, key: str) -> None:
    for n in range(200):
        task = asyncio.ensure_future(_insert(session, key, str(n), number=n))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await session.ping()
    await _insert(session, key, "after", number=1)
    assert await session.execute(_READ_ONE, [key, "after"]) == [(1, None)]


async def test_a_full_session_lets_callers_wait_no_longer_than_they_said(
    plan: Plan, driver: DriverName, key: str
) -> None:
    narrow = replace(LIMITS, in_flight=1)
    async with open_session(plan, narrow, driver) as session:
        await session.prepare([_READ])
        # What takes the only place never asks the server anything, so that time plays no part.
        await session._turns.acquire()
        with pytest.raises(NotReachedError, match="under way"):
            await session.execute(_READ, [key], within=0.05)
        session._turns.release()
        assert await session.execute(_READ, [key]) == []


async def test_a_ping_needs_no_keyspace(plan: Plan, driver: DriverName) -> None:
    async with open_session(replace(plan, keyspace=""), LIMITS, driver) as session:
        await session.ping()
