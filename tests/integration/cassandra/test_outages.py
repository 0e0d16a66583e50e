"""What a session does while its server dies, comes back, or freezes: on a private server."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path

import pytest
from msgspec.structs import replace

from nexus_core.adapters.cassandra.connect import DriverName, open_session
from nexus_core.adapters.cassandra.driver_session import Limits
from nexus_core.adapters.cassandra.errors import (
    NotReachedError,
    OutcomeUnknownError,
    UnusableError,
)
from nexus_core.adapters.cassandra.plan import Plan
from nexus_core.adapters.cassandra.session import Consistency, CqlSession, Statement
from nexus_core.adapters.cassandra.waiting_session import Admit, WaitingSession
from nexus_core.aio.clock import SystemClock
from nexus_core.domain.errors import UnavailableError
from support.cassandra import make_keyspace, plan_of
from support.gate import a_gate
from tools.testbed.cassandra.server import CassandraServer

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(300),
    # One server a process: all of these on the same.
    pytest.mark.xdist_group("private_cassandra"),
]

# Short, since that is what is waited for here.
_LIMITS = Limits(in_flight=64, request_seconds=2.0, patience_seconds=4.0, tries=3)

_TABLE = "CREATE TABLE things (a text, number int, PRIMARY KEY ((a)))"
_WRITE = Statement("INSERT INTO things (a, number) VALUES (?, ?)", idempotent=True)
_READ = Statement("SELECT number FROM things WHERE a = ?")
_ONCE = Statement("INSERT INTO things (a, number) VALUES (?, ?) IF NOT EXISTS")
_SERIAL_READ = Statement(_READ.cql, consistency=Consistency.LOCAL_SERIAL)


class Private:
    """A Cassandra that tests may kill, with a keyspace."""

    def __init__(self, folder: Path) -> None:
        self.server = CassandraServer(folder)
        self.plan = Plan(name="")

    async def begin(self) -> None:
        described = await self.server.start()
        keyspace = await make_keyspace(described, _TABLE)
        self.plan = replace(plan_of(described, keyspace), connect_seconds=2.0, request_seconds=2.0)


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Private]:
    private = Private(tmp_path_factory.mktemp("cassandra") / "node")
    try:
        asyncio.run(private.begin())
        yield private
    finally:
        if private.server.alive:
            asyncio.run(private.server.kill())


@pytest.fixture
async def running(private: Private) -> AsyncIterator[Private]:
    """The server, up and awake, whatever the test before has done to it."""
    if not private.server.alive:
        await private.server.start()
    yield private
    if private.server.alive:
        private.server.thaw()


@pytest.fixture(params=list(DriverName))
def driver(request: pytest.FixtureRequest) -> DriverName:
    chosen: DriverName = request.param
    return chosen


@pytest.fixture
async def session(running: Private, driver: DriverName) -> AsyncIterator[CqlSession]:
    # To connect is not what is short here: the server may just have thawed, or another be starting.
    plan = replace(running.plan, connect_seconds=20.0)
    async with open_session(plan, _LIMITS, driver) as session:
        await session.prepare([_WRITE, _READ, _ONCE, _SERIAL_READ])
        yield session


async def _until_it_works(call: Callable[[], Awaitable[object]], seconds: float) -> float:
    """Repeat a call that may fail as unavailable alone; return how long it takes to succeed."""
    begun = time.monotonic()
    async with asyncio.timeout(seconds):
        while True:
            try:
                await call()
                return time.monotonic() - begun
            except UnavailableError:
                await asyncio.sleep(0.05)


async def test_a_session_outlives_its_server_and_nothing_acknowledged_is_lost(
    running: Private, session: CqlSession
) -> None:
    acknowledged: list[str] = []
    dead, enough = asyncio.Event(), asyncio.Event()

    async def write(worker: int) -> None:
        number = 0
        while not dead.is_set():
            key = f"{worker}-{number}"
            # No other error may come, and none does the test know of.
            with suppress(UnavailableError):
                await session.execute(_WRITE, [key, number])
                acknowledged.append(key)
            number += 1
            if len(acknowledged) > 200:
                enough.set()

    async with asyncio.TaskGroup() as tasks:
        for worker in range(8):
            tasks.create_task(write(worker))
        await enough.wait()
        await running.server.kill()
        dead.set()
    await _refuses_at_once(session)
    await running.server.start()
    await _until_it_works(session.ping, 30)
    for key in acknowledged:
        assert await session.execute(_READ, [key]), key


async def _refuses_at_once(session: CqlSession) -> None:
    """Without a server every call says so, soon, and that nothing has happened."""
    begun = time.monotonic()
    for call in (
        session.execute(_READ, ["x"]),
        session.execute(_WRITE, ["x", 1]),
        session.apply(_ONCE, ["x", 1]),
        session.batch([(_WRITE, ["x", 1]), (_WRITE, ["y", 1])]),
        session.ping(),
    ):
        with pytest.raises(NotReachedError):
            await call
    assert time.monotonic() - begun < _LIMITS.patience_seconds


async def test_a_transaction_under_way_when_the_server_dies_is_unknown_and_then_settled(
    running: Private, session: CqlSession
) -> None:
    outcomes: dict[str, bool | None] = {}

    async def once(key: str) -> None:
        try:
            outcomes[key] = (await session.apply(_ONCE, [key, 1])).applied
        except OutcomeUnknownError:
            outcomes[key] = None
        except UnavailableError:
            outcomes[key] = False

    await running.server.freeze()
    tasks = [asyncio.ensure_future(once(f"settled-{number}")) for number in range(16)]
    await asyncio.sleep(0.2)
    await running.server.kill()
    await asyncio.gather(*tasks)
    assert None in outcomes.values()
    await running.server.start()
    await _until_it_works(session.ping, 30)
    for key, applied in outcomes.items():
        found = await session.execute(_SERIAL_READ, [key])
        if applied is not None:
            assert bool(found) == applied, key
        elif not found:
            # What the serial read did not see will never be.
            assert (await session.apply(_ONCE, [key, 2])).applied
            assert await session.execute(_SERIAL_READ, [key]) == [(2,)]


async def test_a_frozen_server_costs_the_timeout_and_no_more(
    running: Private, session: CqlSession
) -> None:
    await running.server.freeze()
    try:
        for call, kind in (
            (session.execute(_READ, ["x"]), NotReachedError),
            (session.execute(_WRITE, ["x", 1]), OutcomeUnknownError),
            (session.apply(_ONCE, ["frozen", 1]), OutcomeUnknownError),
        ):
            begun = time.monotonic()
            with pytest.raises(kind):
                await call
            assert time.monotonic() - begun < _LIMITS.patience_seconds + 1
    finally:
        running.server.thaw()
    await _until_it_works(session.ping, 30)


async def test_a_caller_may_ask_for_less_patience(running: Private, session: CqlSession) -> None:
    await running.server.freeze()
    try:
        begun = time.monotonic()
        with pytest.raises(NotReachedError):
            await session.execute(_READ, ["x"], within=0.3)
        assert time.monotonic() - begun < _LIMITS.request_seconds
    finally:
        running.server.thaw()


async def test_calls_cancelled_on_a_frozen_server_leave_no_trace(
    running: Private, session: CqlSession
) -> None:
    await running.server.freeze()
    try:
        tasks = [
            asyncio.ensure_future(session.execute(_WRITE, [f"cancelled-{number}", 1]))
            for number in range(200)
        ]
        await asyncio.sleep(0.1)
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results)
    finally:
        running.server.thaw()
    await _until_it_works(session.ping, 30)
    await asyncio.gather(*(session.execute(_WRITE, [f"after-{n}", 1]) for n in range(200)))
    assert await session.execute(_READ, ["after-199"]) == [(1,)]


async def test_a_session_closes_though_its_server_is_frozen(
    running: Private, driver: DriverName
) -> None:
    begun = time.monotonic()
    async with open_session(running.plan, _LIMITS, driver) as session:
        await session.prepare([_WRITE])
        await running.server.freeze()
        with pytest.raises(OutcomeUnknownError):
            await session.execute(_WRITE, ["x", 1], within=0.5)
    assert time.monotonic() - begun < 30
    running.server.thaw()


def _waiting(
    plan: Plan, driver: DriverName, admit: Admit
) -> AbstractAsyncContextManager[CqlSession]:
    def connect() -> AbstractAsyncContextManager[CqlSession]:
        return open_session(plan, _LIMITS, driver)

    return WaitingSession.open(plan.keyspace, connect, admit, SystemClock())


async def test_a_service_may_start_before_its_store(running: Private, driver: DriverName) -> None:
    async def admit(_: CqlSession) -> None:
        pass

    async with a_gate(running.plan.hosts[0], running.plan.port) as gate:
        plan = replace(running.plan, port=gate.port)
        gate.shut()
        async with _waiting(plan, driver, admit) as session:
            await session.prepare([_WRITE])
            with pytest.raises(NotReachedError, match="can't be reached"):
                await session.ping()
            await gate.open()
            await _until_it_works(session.ping, 30)
            await session.execute(_WRITE, ["late", 1])


async def test_a_service_may_start_before_its_schema(running: Private, driver: DriverName) -> None:
    fit = False

    async def admit(_: CqlSession) -> None:
        if not fit:
            raise UnusableError("run `nexus-schema apply`")

    async with _waiting(running.plan, driver, admit) as session:
        with pytest.raises(UnusableError, match="nexus-schema apply"):
            await session.execute(_READ, ["x"])
        fit = True
        await _until_it_works(session.ping, 30)
