"""The port `SchedulerCallback`: finished runs, posted in batches to every scheduler that lives."""

import asyncio
import math
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Self

import aiohttp
import msgspec
import structlog

from nexus_core.adapters.http.mailbox import Mailbox
from nexus_core.aio.tasks import BackgroundTasks
from nexus_core.domain.callback import FINISHED_PATH, FinishedRuns
from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.names import RunKey
from nexus_core.ports.clock import Clock
from nexus_core.ports.lease_store import LeaseStore
from nexus_core.settings.sections import Callback
from nexus_core.telemetry.callback_metrics import CallbackMetrics
from nexus_core.telemetry.news import News

log = structlog.get_logger()

# How long the list of living schedulers is good for, in seconds: a fraction of a lease.
_LIST_LIFETIME = 5.0

# How long nobody asks for it again where none lives, or nobody can tell: runs go on finishing.
_PAUSE = 1.0

# Runs that may wait to be handed out while it is asked who lives; those beyond are left to be found
# in the store by who waits.
_MOST_FRESH = 10_000


class HttpSchedulerCallback:
    """Tells schedulers of finished runs, in the background.

    All living schedulers are told, not the owner of the run alone: behind a load balancer a client
    waits at any of them. It also spares reading who the owner is.
    """

    def __init__(
        self,
        leases: LeaseStore,
        session: aiohttp.ClientSession,
        clock: Clock,
        attempts: int,
        tasks: BackgroundTasks,
        *,
        metrics: CallbackMetrics,
    ) -> None:
        self._leases = leases
        self._session = session
        self._clock = clock
        self._attempts = attempts
        self._tasks = tasks
        self._metrics = metrics
        self._fresh: dict[RunKey, None] = {}
        self._news = asyncio.Event()
        self._mailboxes: dict[str, Mailbox] = {}
        self._list_again_at = -math.inf
        self._trouble = News(clock)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        leases: LeaseStore,
        clock: Clock,
        settings: Callback,
        metrics: CallbackMetrics,
        tasks_above: BackgroundTasks | None = None,
    ) -> AsyncIterator[Self]:
        """Start telling. What waits at the end may take as long as one try."""
        async with (
            aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=settings.timeout),
                headers={
                    "Authorization": f"Bearer {settings.secret}",
                    "Content-Type": "application/json",
                },
            ) as session,
            BackgroundTasks(tasks_above) as tasks,
        ):
            callback = cls(leases, session, clock, settings.attempts, tasks, metrics=metrics)
            tasks.start("call backs", callback._distribute())
            yield callback
            await callback._last_words(settings.timeout)

    def finished(self, key: RunKey) -> None:
        """Tell schedulers that a run has finished. Returns at once and never fails."""
        if len(self._fresh) < _MOST_FRESH:
            self._fresh[key] = None
        self._news.set()

    async def _distribute(self) -> None:
        """Hand out what has finished, again and again, until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            await self._hand_out()

    async def _hand_out(self) -> None:
        """Put what has finished into the mailbox of each living scheduler."""
        await self._refresh()
        keys, self._fresh = self._fresh, {}
        for mailbox in self._mailboxes.values():
            mailbox.put(keys)

    async def _refresh(self) -> None:
        """Look up who lives, unless that was done just now."""
        now = self._clock.monotonic()
        if now < self._list_again_at:
            return
        try:
            living = await self._leases.alive(self._clock.now())
        except UnavailableError as error:
            self._list_again_at = self._clock.monotonic() + _PAUSE
            if self._trouble.is_new(str(error)):
                log.warning("schedulers not known", error=str(error))
            return
        self._trouble.is_over()
        self._list_again_at = now + (_LIST_LIFETIME if living else _PAUSE)
        urls = {lease.callback_url.rstrip("/") + FINISHED_PATH for lease in living}
        for gone in self._mailboxes.keys() - urls:
            self._mailboxes.pop(gone).close()
        for new in urls - self._mailboxes.keys():
            mailbox = Mailbox(new, self._post, self._clock, self._attempts, self._metrics)
            self._mailboxes[new] = mailbox
            self._tasks.start(f"call backs to {new}", mailbox.deliver(), may_finish=True)

    async def _post(self, url: str, keys: Iterable[RunKey]) -> None:
        body = msgspec.json.encode(FinishedRuns(tuple(keys)))
        try:
            async with self._session.post(url, data=body) as response:
                if response.status != 200:  # noqa: PLR2004 - the one answer that means: heard
                    raise UnavailableError(f"answered {response.status}")
        except (aiohttp.ClientError, TimeoutError, UnicodeError) as error:
            # The last is of a host that can't be one, such as `scheduler..svc`: what one scheduler
            # was told to be called by must end no service of others.
            raise UnavailableError(f"{type(error).__name__}: {error}") from error

    async def _last_words(self, within: float) -> None:
        """Let what has finished get out, to each scheduler at its own pace."""
        try:
            async with asyncio.timeout(within):
                if self._fresh:
                    await self._hand_out()
                await asyncio.gather(*(mailbox.told() for mailbox in self._mailboxes.values()))
        except TimeoutError:
            log.warning("call backs dropped", reason="shutting down")
