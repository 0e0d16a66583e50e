"""What waits to be told to one scheduler."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from itertools import islice

import structlog

from nexus_core.aio.backoff import Backoff
from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.names import RunKey
from nexus_core.ports.clock import Clock
from nexus_core.telemetry.callback_metrics import CallbackMetrics
from nexus_core.telemetry.news import News

log = structlog.get_logger()

Post = Callable[[str, Iterable[RunKey]], Awaitable[None]]
"""Tells one URL of finished runs; raises `UnavailableError` when it was not heard."""

# More than pile up while a scheduler answers. Of a scheduler that does not, clients wait no longer.
_MOST_WAITING = 10_000

# Keys in one call: some 100 KiB of JSON.
_BATCH = 1000

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0


class Mailbox:
    """Delivers in order of arrival, a batch at a time; what comes meanwhile is the next batch.

    So a busy receiver makes few calls, an idle one makes them at once, and a scheduler that is slow
    holds up nobody else.
    """

    def __init__(
        self, url: str, post: Post, clock: Clock, attempts: int, metrics: CallbackMetrics
    ) -> None:
        self._url = url
        self._post = post
        self._clock = clock
        self._attempts = attempts
        self._metrics = metrics
        self._backoff = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE)
        self._pause = 0.0
        self._trouble = News(clock)
        self._waiting: dict[RunKey, None] = {}
        self._news = asyncio.Event()
        self._closed = False
        self._told = asyncio.Event()
        self._told.set()

    def put(self, keys: Iterable[RunKey]) -> None:
        """Add runs; those that find no room are left to be found in the store by who waits."""
        room = max(0, _MOST_WAITING - len(self._waiting))
        self._waiting.update(dict.fromkeys(islice(keys, room)))
        self._told.clear()
        self._news.set()

    def close(self) -> None:
        """Let `deliver` end after the batch it is at: the scheduler is gone."""
        self._closed = True
        self._news.set()

    async def told(self) -> None:
        """Wait until nothing waits to be told."""
        await self._told.wait()

    async def deliver(self) -> None:
        """Deliver until closed."""
        while not self._closed:
            await self._news.wait()
            self._news.clear()
            while self._waiting and not self._closed:
                batch = list(islice(self._waiting, _BATCH))
                for key in batch:
                    del self._waiting[key]
                await self._tell(batch)
            self._told.set()

    async def _tell(self, batch: list[RunKey]) -> None:
        for attempt in range(1, self._attempts + 1):
            # From batch to batch, too: one that is gone is not called without a pause, however
            # much there is to tell.
            await self._clock.sleep(self._pause)
            try:
                await self._post(self._url, batch)
            except UnavailableError as error:
                self._pause = self._backoff.next()
                is_last = attempt == self._attempts or self._closed
                self._metrics.failed(is_last=is_last)
                if is_last and self._trouble.is_new(str(error)):
                    log.warning("call back given up", url=self._url, error=str(error))
                if self._closed:
                    return
            else:
                self._metrics.heard()
                self._backoff.reset()
                self._pause = 0.0
                self._trouble.is_over()
                return
