"""Trying again, within bounds."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from nexus_core.adapters.s3.errors import Place, TransientError, late
from nexus_core.aio.backoff import Backoff
from nexus_core.ports.clock import Clock

T = TypeVar("T")

# First and longest pause between two tries, in seconds: a server that restarts, or sheds load, is
# back within seconds, and whoever waits for longer has a client that comes again by itself.
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0


class Attempts:
    """How often an operation is tried, and how long it may take with all its tries."""

    def __init__(self, place: Place, tries: int, within: float, clock: Clock) -> None:
        """Take the number of tries, at least 1, and the bound in seconds."""
        self._place = place
        self._tries = tries
        self._within = within
        self._clock = clock

    async def run(self, operation: Callable[[], Awaitable[T]]) -> T:
        """Return what an idempotent operation returns, as soon as it does.

        Raises:
            UnavailableError: it failed for good, too often, or took too long. The time is one
                bound around all tries: a server that is frozen costs it once.
        """
        return await self._within_bounds(operation, self._tries)

    async def once(self, operation: Callable[[], Awaitable[T]]) -> T:
        """Return what one try returns; for whoever wants to know how things are now."""
        return await self._within_bounds(operation, 1)

    async def _within_bounds(self, operation: Callable[[], Awaitable[T]], tries: int) -> T:
        backoff, failure = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE), None
        try:
            async with asyncio.timeout(self._within):
                for _ in range(tries - 1):
                    try:
                        return await operation()
                    except TransientError as error:
                        failure = error
                    await self._clock.sleep(max(backoff.next(), failure.retry_after or 0))
                return await operation()
        except TimeoutError as error:
            raise failure or late(self._place, self._within) from error
