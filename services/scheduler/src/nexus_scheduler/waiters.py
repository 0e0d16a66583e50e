"""Clients that wait for a run to finish."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from nexus_core.domain.names import RunKey


class Waiters:
    """Wakes those who wait for a run; knows nothing of runs nobody waits for.

    A scheduler is its own call back, too: what it finishes itself, it need not be told.
    """

    def __init__(self) -> None:
        self._events: dict[RunKey, set[asyncio.Event]] = {}
        self.closed = False
        """Whether waiting is over because the service shuts down."""

    def finished(self, key: RunKey) -> None:
        """Wake all who wait for a run."""
        for event in self._events.get(key, ()):
            event.set()

    def close(self) -> None:
        """Wake everybody, so that a service that shuts down answers instead of cutting off."""
        self.closed = True
        for events in self._events.values():
            for event in events:
                event.set()

    @contextmanager
    def waiting(self, key: RunKey) -> Iterator[asyncio.Event]:
        """Register as waiting; what happens to the run from now on sets the event."""
        event = asyncio.Event()
        self._events.setdefault(key, set()).add(event)
        try:
            yield event
        finally:
            events = self._events[key]
            events.discard(event)
            if not events:
                del self._events[key]

    def __len__(self) -> int:
        return sum(len(events) for events in self._events.values())
