"""A session that is there before its server is."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Self

import structlog

from nexus_core.adapters.cassandra.errors import NotReachedError, UnusableError
from nexus_core.adapters.cassandra.session import CqlSession, Outcome, Row, Statement, Value, Write
from nexus_core.aio.backoff import Backoff
from nexus_core.aio.tasks import BackgroundTasks
from nexus_core.domain.errors import UnavailableError
from nexus_core.ports.clock import Clock

log = structlog.get_logger()

Connect = Callable[[], AbstractAsyncContextManager[CqlSession]]
"""Connects once; raises `UnavailableError` where that fails."""

Admit = Callable[[CqlSession], Awaitable[None]]
"""Raises `UnavailableError` when what is connected to is not fit for use."""

# Between two tries to connect for the first time, doubled from the first to the second. After that
# the driver itself comes back to nodes that it lost.
_SOONEST_SECONDS = 0.5
_LATEST_SECONDS = 4.0

# Tables are taken away by a person, after the last service that needs them should have ended.
_LOOK_AGAIN_SECONDS = 30.0

# How long a start waits for the first try, which mostly succeeds; it goes on without it.
_FIRST_TRY_SECONDS = 20.0


class WaitingSession:
    """A `CqlSession` that connects behind the scenes, again and again until it can.

    Until then every call raises what the last try said. So a service starts while its store is
    away, says so at readiness, and is ready when the store is; and likewise while the schema is not
    there yet.
    """

    def __init__(self, keyspace: str, connect: Connect, admit: Admit, clock: Clock) -> None:
        self._keyspace = keyspace
        self._connect = connect
        self._admit = admit
        self._clock = clock
        self._session: CqlSession | None = None
        self._reason: UnavailableError = NotReachedError(f"keyspace '{keyspace}': is connecting")
        self._statements: list[Statement] = []
        self._tried = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def open(
        cls, keyspace: str, connect: Connect, admit: Admit, clock: Clock
    ) -> AsyncIterator[Self]:
        """Begin to connect, and wait for the first try to end; raises nothing when it fails."""
        session = cls(keyspace, connect, admit, clock)
        async with BackgroundTasks() as tasks:
            tasks.start("cql connection", session._stay_connected())
            try:
                async with asyncio.timeout(_FIRST_TRY_SECONDS):
                    await session._tried.wait()
            except TimeoutError:
                log.warning("cql store keeps silent", keyspace=keyspace)
            yield session

    @property
    def keyspace(self) -> str:
        """The keyspace that statements speak of."""
        return self._keyspace

    async def prepare(self, statements: Iterable[Statement]) -> None:
        """Prepare statements now, or when there is a connection."""
        self._statements += statements
        if self._session is not None:
            await self._session.prepare(self._statements)

    async def execute(
        self, statement: Statement, values: Sequence[Value] = (), *, within: float | None = None
    ) -> list[Row]:
        """Run a statement; return all rows of it."""
        return await self._connected().execute(statement, values, within=within)

    async def apply(
        self, statement: Statement, values: Sequence[Value] = (), *, within: float | None = None
    ) -> Outcome:
        """Run a lightweight transaction."""
        return await self._connected().apply(statement, values, within=within)

    async def batch(self, writes: Sequence[Write], *, within: float | None = None) -> None:
        """Run plain writes as one logged batch."""
        await self._connected().batch(writes, within=within)

    def pages(
        self,
        statement: Statement,
        values: Sequence[Value] = (),
        *,
        page_size: int,
        within: float | None = None,
    ) -> AsyncIterator[list[Row]]:
        """Run a read page by page."""
        return self._connected().pages(statement, values, page_size=page_size, within=within)

    async def define(self, cql: str, *, within: float | None = None) -> None:
        """Run a statement that changes the schema."""
        await self._connected().define(cql, within=within)

    async def ping(self) -> None:
        """Return when the server answers a read."""
        await self._connected().ping()

    def _connected(self) -> CqlSession:
        if self._session is None:
            # Another each time, or each would carry the traces of all before.
            raise type(self._reason)(str(self._reason), retry_after=self._reason.retry_after)
        return self._session

    async def _stay_connected(self) -> None:
        pauses = Backoff(_SOONEST_SECONDS, _LATEST_SECONDS)
        while True:
            try:
                async with self._connect() as session:
                    await self._admit(session)
                    await session.prepare(self._statements)
                    await self._serve(session)
            except UnavailableError as error:
                self._note(error)
            except Exception as error:
                log.exception("connecting to the cql store failed")
                self._note(NotReachedError(f"connecting failed: {error!r}"))
            await self._clock.sleep(pauses.next())

    async def _serve(self, session: CqlSession) -> None:
        """Let callers have a session, until it is not fit any more, or this is cancelled.

        Raises:
            UnusableError: it is not fit; says why.
        """
        log.info("cql store connected", keyspace=self._keyspace)
        self._session = session
        self._tried.set()
        try:
            while True:
                await self._clock.sleep(_LOOK_AGAIN_SECONDS)
                await self._look_again(session)
        finally:
            self._session = None
            self._reason = NotReachedError(f"keyspace '{self._keyspace}': is closed")

    async def _look_again(self, session: CqlSession) -> None:
        """Look whether somebody took away what is needed, such as a later release."""
        try:
            await self._admit(session)
        except UnusableError:
            raise
        except UnavailableError as error:
            # Who uses it finds that out, too, and comes back with the driver.
            log.debug("cql store not looked at", reason=str(error))

    def _note(self, reason: UnavailableError) -> None:
        # The same reason again is no news.
        if str(reason) != str(self._reason):
            # Readiness says it at the level of warnings, and the lease, and the sweep.
            log.debug("cql store can't be used", reason=str(reason))
        self._reason = reason
        self._tried.set()
