"""The session over either driver: room for so many requests, deadlines, repetitions, errors."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from nexus_core.adapters.cassandra.driver import Answer, Ask, Driver, Fault, Prepared
from nexus_core.adapters.cassandra.errors import (
    NotReachedError,
    OutcomeUnknownError,
    RefusedError,
    UnusableError,
)
from nexus_core.adapters.cassandra.session import Outcome, Row, Statement, Value, Write
from nexus_core.aio.backoff import Backoff
from nexus_core.domain.errors import UnavailableError

T = TypeVar("T")

# Of what is asked for as a whole: few pages, none of them large.
_ROWS_A_PAGE = 1000

# First pause before a repetition, doubled once: a server that refuses has a reason.
_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 0.5

_SHORTEST_SECONDS = 0.001

# What we tell callers to wait when the servers refuse or can't be reached.
_RETRY_AFTER_SECONDS = 1.0

# Unless told otherwise.
_DEFINE_SECONDS = 60.0

_APPLIED = "[applied]"
_PING = Statement("SELECT key FROM system.local WHERE key = 'local'")


class Limits(Struct, frozen=True, kw_only=True):
    """What a session may take."""

    in_flight: int
    """Requests at the same time; further ones wait for their turn."""
    request_seconds: float
    """For one try."""
    patience_seconds: float
    """For a call: its wait for a turn and all of its tries."""
    tries: int
    """At most, of what may be repeated."""


class _Kind(Struct, frozen=True):
    """What may be done with a request that failed."""

    reads: bool
    repeats: bool
    """Whether running it twice is the same as running it once."""


_READ = _Kind(reads=True, repeats=True)
_WRITE = _Kind(reads=False, repeats=False)
_IDEMPOTENT_WRITE = _Kind(reads=False, repeats=True)


class _PreparingError(Exception):
    """A statement could not be prepared, so it was not sent."""

    def __init__(self, fault: Fault, words: str) -> None:
        super().__init__(words)
        self.fault = (Fault.NOT_SENT if fault is Fault.UNKNOWN else fault, words)


class DriverSession:
    """A `CqlSession` over a connected driver. `name` is what errors call the servers."""

    def __init__(self, driver: Driver, *, keyspace: str, name: str, limits: Limits) -> None:
        self._driver = driver
        self._keyspace = keyspace
        self._name = name
        self._limits = limits
        self._turns = asyncio.Semaphore(limits.in_flight)
        self._prepared: dict[str, Prepared] = {}

    @property
    def keyspace(self) -> str:
        """The keyspace that statements speak of."""
        return self._keyspace

    async def prepare(self, statements: Iterable[Statement]) -> None:
        """Prepare statements ahead of their use, one after the other; idempotent."""
        for statement in statements:

            async def prepare(seconds: float, statement: Statement = statement) -> None:
                await self._prepare(statement, seconds)

            await self._run(prepare, _READ, None)

    async def execute(
        self, statement: Statement, values: Sequence[Value] = (), *, within: float | None = None
    ) -> list[Row]:
        """Run a statement; return all rows of it."""
        answer = await self._ask(statement, values, within, _ROWS_A_PAGE, None)
        rows = answer.rows
        while answer.page_state is not None:
            answer = await self._ask(statement, values, within, _ROWS_A_PAGE, answer.page_state)
            rows += answer.rows
        return rows

    async def apply(
        self, statement: Statement, values: Sequence[Value] = (), *, within: float | None = None
    ) -> Outcome:
        """Run a lightweight transaction."""
        answer = await self._ask(statement, values, within, _ROWS_A_PAGE, None, _WRITE)
        return outcome_of(answer)

    async def batch(self, writes: Sequence[Write], *, within: float | None = None) -> None:
        """Run plain writes as one logged batch."""
        kind = _IDEMPOTENT_WRITE if all(one.idempotent for one, _ in writes) else _WRITE

        async def batch(seconds: float) -> None:
            prepared = [
                (await self._prepare(statement, seconds), values) for statement, values in writes
            ]
            await self._driver.batch(prepared, seconds)

        await self._run(batch, kind, within)

    async def pages(
        self,
        statement: Statement,
        values: Sequence[Value] = (),
        *,
        page_size: int,
        within: float | None = None,
    ) -> AsyncIterator[list[Row]]:
        """Run a read page by page."""
        answer = await self._ask(statement, values, within, page_size, None)
        yield answer.rows
        while answer.page_state is not None:
            answer = await self._ask(statement, values, within, page_size, answer.page_state)
            yield answer.rows

    async def define(self, cql: str, *, within: float | None = None) -> None:
        """Run a statement that changes the schema. Not repeated by itself."""
        seconds = _DEFINE_SECONDS if within is None else within

        async def define(_: float) -> None:
            # Longer than other requests: the nodes have to agree on it.
            await self._driver.define(cql, seconds)

        await self._run(define, _WRITE, seconds)

    async def ping(self) -> None:
        """Return when the server answers a read."""
        await self.execute(_PING, within=self._limits.request_seconds)

    async def _ask(
        self,
        statement: Statement,
        values: Sequence[Value],
        within: float | None,
        page_size: int,
        page_state: bytes | None,
        kind: _Kind | None = None,
    ) -> Answer:
        async def ask(seconds: float) -> Answer:
            prepared = self._prepared.get(statement.cql)
            if prepared is None:
                prepared = await self._prepare(statement, seconds)
            return await self._driver.execute(prepared, values, Ask(seconds, page_size, page_state))

        return await self._run(ask, kind or _kind_of(statement), within)

    async def _prepare(self, statement: Statement, seconds: float) -> Prepared:
        prepared = self._prepared.get(statement.cql)
        if prepared is not None:
            return prepared
        qualified = replace(statement, cql=with_keyspace(statement.cql, self._keyspace))
        try:
            prepared = await self._driver.prepare(qualified, seconds)
        except Exception as error:
            fault = self._driver.fault_of(error)
            if fault is None:
                raise
            raise _PreparingError(*fault) from error
        # Several that need it for the first time prepare it each: it is the same.
        self._prepared[statement.cql] = prepared
        return prepared

    async def _run(
        self, request: Callable[[float], Awaitable[T]], kind: _Kind, within: float | None
    ) -> T:
        """Run a request in its turn, again while that is safe and there is time."""
        now = asyncio.get_running_loop().time
        deadline = now() + (self._limits.patience_seconds if within is None else within)
        pauses = Backoff(_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS)
        tries = 0
        while True:
            tries += 1
            await self._turn(deadline)
            try:
                # Drivers take 0 milliseconds for no limit at all.
                left = max(_SHORTEST_SECONDS, deadline - now())
                return await request(min(self._limits.request_seconds, left))
            except Exception as error:
                fault = self._fault_of(error)
                if fault is None:
                    raise
                pause = pauses.next()
                spent = tries >= self._limits.tries or now() + pause >= deadline
                if spent or not may_repeat(fault[0], kind.repeats):
                    raise self._in_our_words(fault, reads=kind.reads) from error
            finally:
                self._turns.release()
            await asyncio.sleep(pause)

    def _fault_of(self, error: Exception) -> tuple[Fault, str] | None:
        if isinstance(error, _PreparingError):
            return error.fault
        return self._driver.fault_of(error)

    async def _turn(self, deadline: float) -> None:
        if not self._turns.locked():
            await self._turns.acquire()
            return
        try:
            async with asyncio.timeout_at(deadline):
                await self._turns.acquire()
        except TimeoutError as error:
            raise NotReachedError(
                f"{self._name}: {self._limits.in_flight} requests are under way and none ends",
                retry_after=_RETRY_AFTER_SECONDS,
            ) from error

    def _in_our_words(self, fault: tuple[Fault, str], *, reads: bool) -> UnavailableError:
        meaning, words = fault
        text = f"{self._name}: {words}"
        if meaning is Fault.UNUSABLE:
            return UnusableError(text)
        if meaning is Fault.REFUSED:
            return RefusedError(text, retry_after=_RETRY_AFTER_SECONDS)
        if meaning is Fault.UNKNOWN and not reads:
            return OutcomeUnknownError(text, retry_after=_RETRY_AFTER_SECONDS)
        return NotReachedError(text, retry_after=_RETRY_AFTER_SECONDS)


# A table stands after one of these words, and nothing else does.
_TABLE = re.compile(r"\b(FROM|INTO|UPDATE)(\s+)(?=\w)(?!\w+\.)", re.IGNORECASE)


def with_keyspace(cql: str, keyspace: str) -> str:
    """Return a statement with its tables' keyspace in it.

    What is prepared without it depends on the connection that it comes over: servers warn of that.
    """
    return _TABLE.sub(rf"\1\2{keyspace}.", cql) if keyspace else cql


def may_repeat(fault: Fault, repeats: bool) -> bool:  # noqa: FBT001 - a plain question
    """Tell whether a request may be run again after a fault, given whether twice is once."""
    if fault is Fault.UNKNOWN:
        return repeats
    return fault is not Fault.UNUSABLE


def outcome_of(answer: Answer) -> Outcome:
    """Return what the rows of a lightweight transaction say."""
    row: Mapping[str, Value] = dict(zip(answer.columns, answer.rows[0], strict=True))
    current = {name: value for name, value in row.items() if name != _APPLIED}
    return Outcome(applied=row[_APPLIED] is True, current=current)


def _kind_of(statement: Statement) -> _Kind:
    if statement.reads:
        return _READ
    return _IDEMPOTENT_WRITE if statement.idempotent else _WRITE
