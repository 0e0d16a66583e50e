"""Telling several followers what happens, each at its own speed."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager

from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.observation import JobStatus


class Follower:
    """One who listens. Holds a bounded number of statuses; with one more it loses them all."""

    def __init__(self, backlog: int) -> None:
        self._backlog = backlog
        self._waiting: deque[JobStatus] = deque()
        self._lost = False
        self._closed = False
        self._news = asyncio.Event()

    def tell(self, status: JobStatus) -> None:
        """Add a status."""
        if len(self._waiting) >= self._backlog:
            # Whoever lost one must be told all again, so the others are of no use either.
            self._waiting.clear()
            self._lost = True
        if not self._lost:
            self._waiting.append(status)
        self._news.set()

    def close(self) -> None:
        """Let the follower know that nothing will ever be told again."""
        self._closed = True
        self._news.set()

    def begin(self) -> None:
        """Start afresh: what is told from here on counts."""
        self._waiting.clear()
        self._lost = False

    async def statuses(self) -> AsyncGenerator[JobStatus, None]:
        """Go through what is told, until some of it is lost: then all must be told again.

        Raises:
            UnavailableError: the feed was closed.
        """
        while not self._lost:
            while self._waiting:
                yield self._waiting.popleft()
            if self._closed:
                raise UnavailableError("the process cluster was closed")
            self._news.clear()
            if not self._lost:
                await self._news.wait()


class Feed:
    """Tells all followers the same."""

    def __init__(self, backlog: int) -> None:
        self._backlog = backlog
        self._followers: set[Follower] = set()

    def tell(self, status: JobStatus) -> None:
        """Tell every follower; never waits for one."""
        for follower in self._followers:
            follower.tell(status)

    @contextmanager
    def follower(self) -> Iterator[Follower]:
        """Listen from here on."""
        follower = Follower(self._backlog)
        self._followers.add(follower)
        try:
            yield follower
        finally:
            self._followers.discard(follower)

    def close(self) -> None:
        """End every follower."""
        for follower in tuple(self._followers):
            follower.close()
