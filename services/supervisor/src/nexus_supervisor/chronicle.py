"""Keeping what happens to runs in the journal: beside the work, and never in its way."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterator

import msgspec
import structlog

from nexus_core.aio.backoff import Backoff
from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.journal import RunEvent, RunEventKind
from nexus_core.domain.names import RunKey
from nexus_core.domain.observation import JobStatus
from nexus_core.domain.run_events import COMPLETED, run_events
from nexus_core.ports.clock import Clock
from nexus_core.ports.journal import Journal
from nexus_core.telemetry.news import News
from nexus_supervisor.metrics import StoryMetrics

log = structlog.get_logger()

# Between two writes, in seconds.
_BREATH = 1.0
# How long news wait that only say that all goes well, in seconds: most runs start within it, and
# short ones end, so that their whole way is one write.
_QUIET_SECONDS = 5.0
# Of one write; runs are never parted.
_BATCH = 500
# Events that wait at most; what comes beyond is dropped. Some 10 MB.
_MOST_WAITING = 20_000
# Runs whose events are remembered as written. One that is forgotten is written again, to the same
# rows; more Jobs than a cluster holds at a time would be written anew by every sweep.
_REMEMBERED = 50_000
# How long a write is tried again while the store is away, in seconds. Others wait meanwhile.
_PATIENCE_SECONDS = 30.0

_Identity = tuple[RunEventKind, float, str]


class _News(msgspec.Struct):
    """What is to be written of a run."""

    due: float
    events: dict[_Identity, RunEvent] = {}


class Chronicle:
    """Takes note of what is seen of the runs of a cluster, and writes it down a little later.

    Taking note never waits. Nothing depends on what is written: while the store is away, events
    wait for a while, and then are dropped and counted. Whoever sees the same state again, as the
    next sweep does, has them noted again.
    """

    def __init__(self, journal: Journal, cluster: str, clock: Clock, metrics: StoryMetrics) -> None:
        self._journal = journal
        self._cluster = cluster
        self._clock = clock
        self._metrics = metrics
        # Hashes of the states that were seen and of the events that were noted.
        self._known: OrderedDict[RunKey, set[int]] = OrderedDict()
        self._waiting: dict[RunKey, _News] = {}
        self._under_way: list[RunEvent] = []
        self._filled = asyncio.Event()
        self._news = News(clock)
        self._count = 0

    def saw(self, status: JobStatus) -> None:
        """Take note of the state of a Job; what was noted before costs next to nothing."""
        known = self._recall(status.key)
        if (state := hash(status)) in known:
            return
        known.add(state)
        for event in run_events(status):
            self._note(event, known)

    def submitted_ahead(self, key: RunKey, reason: str) -> None:
        """Take note that a run is submitted ahead of the queue, now."""
        kind = RunEventKind.SUBMITTED_AHEAD
        event = RunEvent(key=key, at=self._clock.now(), kind=kind, reason=reason)
        self._note(event, self._recall(key))

    async def write(self) -> None:
        """Write down what was noted, until cancelled."""
        while True:
            await self._filled.wait()
            await self._clock.sleep(_BREATH)
            # Kept where `drain` finds it, should this be cancelled in the middle.
            self._under_way = self._take_due()
            for batch in list(_batches(self._under_way)):
                await self._write(batch)
                del self._under_way[: len(batch)]

    async def drain(self, within: float) -> None:
        """Write down all that is left, for `within` seconds at most. For who notes no more."""
        left = [*self._under_way, *self._take(list(self._waiting))]
        try:
            async with asyncio.timeout(within):
                for batch in _batches(left):
                    await self._journal.record(batch)
                    self._metrics.recorded(self._cluster, len(batch))
        except (TimeoutError, UnavailableError) as error:
            log.warning("events not recorded", cluster=self._cluster, error=str(error))

    def _recall(self, key: RunKey) -> set[int]:
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = set()
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(key)
        return known

    def _note(self, event: RunEvent, known: set[int]) -> None:
        if (noted := hash(event)) in known:
            return
        if self._count >= _MOST_WAITING:
            self._drop([event])
            return
        known.add(noted)
        delay = _QUIET_SECONDS if _is_quiet(event) else 0.0
        due = self._clock.monotonic() + delay
        news = self._waiting.setdefault(event.key, _News(due))
        news.due = min(news.due, due)
        identity = _identity(event)
        self._count += identity not in news.events
        news.events[identity] = event
        if event.kind is RunEventKind.STARTED:
            self._forget_pulling(news, event.subject)
        self._filled.set()

    def _forget_pulling(self, news: _News, pod: str) -> None:
        """Spare saying that a pod waited, where it had started before that was written."""
        for identity in [i for i in news.events if (i[0], i[2]) == (RunEventKind.PULLING, pod)]:
            del news.events[identity]
            self._count -= 1

    def _take_due(self) -> list[RunEvent]:
        """Take out what is to be written now: all of it when much waits."""
        now = self._clock.monotonic()
        hurry = self._count > _MOST_WAITING // 2
        return self._take([k for k, news in self._waiting.items() if hurry or news.due <= now])

    def _take(self, keys: list[RunKey]) -> list[RunEvent]:
        events = [event for key in keys for event in self._waiting.pop(key).events.values()]
        self._count -= len(events)
        if not self._waiting:
            self._filled.clear()
        return events

    async def _write(self, batch: list[RunEvent]) -> None:
        backoff = Backoff(base=0.5, maximum=8)
        until = self._clock.monotonic() + _PATIENCE_SECONDS
        while not await self._record(batch):
            if self._clock.monotonic() >= until:
                self._drop(batch)
                break
            await self._clock.sleep(backoff.next())

    async def _record(self, batch: list[RunEvent]) -> bool:
        """Write a batch; False where it can be tried again."""
        try:
            await self._journal.record(batch)
        except UnavailableError as error:
            if self._news.is_new(str(error)):
                log.warning("journal can't be written", cluster=self._cluster, error=str(error))
            return False
        except Exception:
            # A fault of ours: runs go on without their stories, and the next batch may do.
            log.exception("recording failed", cluster=self._cluster)
            self._drop(batch)
            return True
        if self._news.is_over():
            log.info("journal can be written again", cluster=self._cluster)
        self._metrics.recorded(self._cluster, len(batch))
        return True

    def _drop(self, events: list[RunEvent]) -> None:
        """Give events up; who sees the same again has them noted again."""
        for event in events:
            self._known.pop(event.key, None)
        self._metrics.dropped(self._cluster, len(events))


def _batches(events: list[RunEvent]) -> Iterator[list[RunEvent]]:
    """Part events, which lie together by run, so that those of a run stay together."""
    batch: list[RunEvent] = []
    for event in events:
        if len(batch) >= _BATCH and event.key != batch[-1].key:
            yield batch
            batch = []
        batch.append(event)
    if batch:
        yield batch


def _identity(event: RunEvent) -> _Identity:
    return event.kind, event.at.timestamp(), event.subject


_GOES_WELL = frozenset({RunEventKind.SCHEDULED, RunEventKind.PULLING, RunEventKind.STARTED})


def _is_quiet(event: RunEvent) -> bool:
    """Tell whether an event only says that all goes well, so that nobody waits for it."""
    return event.kind in _GOES_WELL or event.reason == COMPLETED
