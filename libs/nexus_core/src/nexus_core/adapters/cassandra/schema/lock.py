"""One applier at a time, whoever dies: a row that only one may hold, and that goes by itself."""

import asyncio
import os
import random
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from uuid import uuid4

from nexus_core.adapters.cassandra.errors import OutcomeUnknownError, RefusedError, UnusableError
from nexus_core.adapters.cassandra.session import CqlSession, Statement
from nexus_core.domain.errors import UnavailableError
from nexus_core.ports.clock import Clock

# How long the row outlives a holder that died, and how often one that lives renews it.
_HELD_SECONDS = 15
_RENEWED_EACH_SECONDS = 4.0

# Between two looks at a lock that another holds.
_LOOK_SECONDS = 0.5

# The default is for Keyspaces, where rows can't expire in a table without one.
TABLE = """
CREATE TABLE IF NOT EXISTS schema_lock (
    name text,
    holder text,
    since timestamp,
    PRIMARY KEY ((name))
) WITH default_time_to_live = 60
"""

_NAME = "apply"
_TAKE = Statement(
    "INSERT INTO schema_lock (name, holder, since) VALUES (?, ?, ?) IF NOT EXISTS USING TTL ?"
)
_RENEW = Statement(
    "UPDATE schema_lock USING TTL ? SET holder = ?, since = ? WHERE name = ? IF holder = ?"
)
_RELEASE = Statement("DELETE FROM schema_lock WHERE name = ? IF holder = ?")

Say = Callable[[str], None]


class SchemaLock:
    """The lock, held."""

    def __init__(self, session: CqlSession, clock: Clock) -> None:
        self._session = session
        self._clock = clock
        self.holder = f"{socket.gethostname()}/{os.getpid()}/{uuid4().hex[:8]}"
        self._lost = ""
        # By this machine's clock; the servers' count may begin a little earlier.
        self._safe_until = clock.monotonic() + _HELD_SECONDS - _RENEWED_EACH_SECONDS

    @classmethod
    @asynccontextmanager
    async def held(
        cls, session: CqlSession, clock: Clock, *, patience: float, say: Say
    ) -> AsyncIterator["SchemaLock"]:
        """Hold the lock while the block runs.

        Raises:
            UnusableError: another holds it for longer than `patience` seconds.
        """
        lock = cls(session, clock)
        await lock._take(patience, say)
        renewal = asyncio.create_task(lock._renew(), name="schema lock")
        try:
            yield lock
        finally:
            renewal.cancel()
            await asyncio.wait([renewal])
            with suppress(UnavailableError):
                # Else it goes by itself.
                await session.apply(_RELEASE, [_NAME, lock.holder])

    def require(self) -> None:
        """Return while the lock is ours.

        Raises:
            UnusableError: it may be another's by now.
        """
        if self._lost:
            raise UnusableError(f"the lock on the schema was lost: {self._lost}; run it again")

    async def _take(self, patience: float, say: Say) -> None:
        until = self._clock.monotonic() + patience
        said = ""
        while True:
            other = await self._tried()
            if other == self.holder:
                return
            if self._clock.monotonic() >= until:
                raise UnusableError(
                    f"another applies the schema of keyspace '{self._session.keyspace}': {other}"
                )
            if other != said:
                say(f"waiting for {other}, which applies the schema")
                said = other
            await self._clock.sleep(_LOOK_SECONDS * (0.5 + random.random()))  # noqa: S311 - spreads load

    async def _tried(self) -> str:
        """Try to take the lock; return who holds it now."""
        try:
            outcome = await self._session.apply(
                _TAKE, [_NAME, self.holder, self._clock.now(), _HELD_SECONDS]
            )
        except (OutcomeUnknownError, RefusedError):
            # Whether it is ours shows the next time.
            return "somebody"
        return self.holder if outcome.applied else str(outcome.current.get("holder"))

    async def _renew(self) -> None:
        while not self._lost:
            await self._clock.sleep(_RENEWED_EACH_SECONDS)
            await self._renew_once()

    async def _renew_once(self) -> None:
        asked = self._clock.monotonic()
        try:
            outcome = await self._session.apply(
                _RENEW, [_HELD_SECONDS, self.holder, self._clock.now(), _NAME, self.holder]
            )
        except UnavailableError as error:
            if asked >= self._safe_until:
                self._lost = str(error)
            return
        if outcome.applied:
            self._safe_until = asked + _HELD_SECONDS - _RENEWED_EACH_SECONDS
        else:
            self._lost = f"{outcome.current.get('holder') or 'nobody'} holds it"
