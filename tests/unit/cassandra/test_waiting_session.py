"""A session that is there before its server is."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from nexus_core.adapters.cassandra.driver import Answer, Fault
from nexus_core.adapters.cassandra.errors import NotReachedError, UnusableError
from nexus_core.adapters.cassandra.session import CqlSession, Statement
from nexus_core.adapters.cassandra.waiting_session import WaitingSession
from nexus_core.domain.errors import UnavailableError
from support.clock import ManualClock
from support.scripted_driver import ScriptedDriver, session_on
from support.waiting import until

READ = Statement("SELECT a FROM things WHERE a = ?")
CAS = Statement("UPDATE things SET b = ? WHERE a = ? IF b = ?")


class Store:
    """Away at first, or not fit; connects when it is told that it is there."""

    def __init__(self) -> None:
        self.trouble: Exception | None = NotReachedError("away", retry_after=5.0)
        self.unfit: UnavailableError | None = None
        self.driver = ScriptedDriver()
        self.tries = 0
        self.closed = 0

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[CqlSession]:
        self.tries += 1
        if self.trouble:
            raise self.trouble
        try:
            yield session_on(self.driver)
        finally:
            self.closed += 1

    async def admit(self, _: CqlSession) -> None:
        if self.unfit:
            raise self.unfit

    def open(self, clock: ManualClock) -> AbstractAsyncContextManager[WaitingSession]:
        return WaitingSession.open("nexus", self.connect, self.admit, clock)


@pytest.fixture
def store() -> Store:
    return Store()


async def test_until_it_is_connected_every_call_says_why_not(
    store: Store, clock: ManualClock
) -> None:
    async with store.open(clock) as session:
        for call in (
            session.execute(READ, ["x"]),
            session.apply(CAS, [1, "x", 0]),
            session.batch([(READ, ["x"])]),
            session.define("CREATE"),
            session.ping(),
        ):
            with pytest.raises(NotReachedError, match=r"^away$") as caught:
                await call
            assert caught.value.retry_after == 5.0
        with pytest.raises(NotReachedError):
            session.pages(READ, ["x"], page_size=1)


async def test_it_connects_when_the_store_is_there(store: Store, clock: ManualClock) -> None:
    async with store.open(clock) as session:
        store.trouble = None
        await clock.advance(60)
        await until(lambda: store.tries > 1)
        await until(lambda: session._session)
        assert await session.execute(READ, ["x"]) == [("x",)]
        store.driver.answer = Answer(["[applied]"], [(True,)], None)
        assert (await session.apply(CAS, [1, "x", 0])).applied
    assert store.closed == 1


async def test_what_was_prepared_before_is_prepared_when_it_connects(
    store: Store, clock: ManualClock
) -> None:
    async with store.open(clock) as session:
        await session.prepare([READ])
        store.trouble = None
        await clock.advance(60)
        await until(lambda: session._session)
        assert store.driver.prepared == ["SELECT a FROM nexus.things WHERE a = ?"]


async def is_taken_up_once_it_is_fit(
    store: Store, session: WaitingSession, clock: ManualClock
) -> None:
    store.unfit = None
    await clock.advance(60)
    await until(lambda: session._session)
    await session.ping()


async def test_a_store_that_is_not_fit_is_closed_and_asked_again(
    store: Store, clock: ManualClock
) -> None:
    store.trouble, store.unfit = None, UnusableError("run `nexus-schema apply`")
    async with store.open(clock) as session:
        with pytest.raises(UnusableError, match="nexus-schema apply"):
            await session.ping()
        assert store.closed == 1
        await is_taken_up_once_it_is_fit(store, session, clock)


async def test_a_store_that_is_not_fit_any_more_is_closed_says_so_and_is_taken_up_again(
    store: Store, clock: ManualClock
) -> None:
    store.trouble = None
    async with store.open(clock) as session:
        await session.ping()
        store.unfit = UnusableError("step 9999_future/post is of a newer release")
        await clock.advance(30)
        await until(lambda: store.closed)
        with pytest.raises(UnusableError, match="of a newer release"):
            await session.ping()
        await is_taken_up_once_it_is_fit(store, session, clock)


async def test_a_look_that_fails_for_the_moment_closes_nothing(
    store: Store, clock: ManualClock
) -> None:
    store.trouble = None
    async with store.open(clock) as session:
        store.unfit = NotReachedError("no answer in time")
        await clock.advance(300)
        await session.ping()
    assert (store.tries, store.closed) == (1, 1)


async def test_a_table_that_is_missing_shows_as_the_reason(
    store: Store, clock: ManualClock
) -> None:
    store.trouble = None
    store.driver.preparing = [Fault.UNUSABLE]
    waiting = WaitingSession("nexus", store.connect, store.admit, clock)
    await waiting.prepare([READ])
    task = asyncio.ensure_future(waiting._stay_connected())
    await waiting._tried.wait()
    with pytest.raises(UnusableError):
        await waiting.ping()
    task.cancel()
    await asyncio.wait([task])


async def test_a_mistake_of_ours_while_connecting_is_told_and_tried_again(
    store: Store, clock: ManualClock
) -> None:
    store.trouble = TypeError("a mistake")
    async with store.open(clock) as session:
        with pytest.raises(NotReachedError, match="connecting failed: TypeError"):
            await session.ping()
        store.trouble = None
        await clock.advance(60)
        await until(lambda: session._session)


async def test_once_left_it_is_closed(store: Store, clock: ManualClock) -> None:
    store.trouble = None
    async with store.open(clock) as session:
        await session.ping()
    with pytest.raises(NotReachedError, match="is closed"):
        await session.ping()
