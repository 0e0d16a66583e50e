"""The virtual queue: runs that are safe in the store and wait for their turn at a cluster.

The store is the queue's truth; what is held here only saves reading it again. A lane a cluster, so
that one that refuses holds up nobody else.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from types import TracebackType

import structlog
from msgspec.structs import replace

from nexus_core.aio.backoff import Backoff
from nexus_core.aio.circuit import Circuit
from nexus_core.aio.tasks import BackgroundTasks
from nexus_core.aio.throttle import Throttle
from nexus_core.domain.errors import (
    HeldUpError,
    NotNowError,
    OverloadedError,
    UnavailableError,
)
from nexus_core.domain.journal import LaneSample, LaneState
from nexus_core.domain.names import RunKey
from nexus_core.operations.launch import BufferedRun, Launcher
from nexus_core.ports.clock import Clock
from nexus_core.settings.payloads import BufferConfig
from nexus_core.telemetry.news import News
from nexus_scheduler.metrics import QueueMetrics

log = structlog.get_logger()


class Lane:
    """The runs that wait for one cluster: delayed ones first, each kind in order of arrival."""

    def __init__(
        self,
        cluster: str,
        launcher: Launcher,
        config: BufferConfig,
        clock: Clock,
        metrics: QueueMetrics,
        circuits: Sequence[Circuit] = (),
    ) -> None:
        """Make an empty lane, which nobody has started yet.

        Args:
            cluster: what workgroups call it.
            launcher: starts a run.
            config: how fast, and how many at once.
            clock: measures it.
            metrics: are told of each attempt.
            circuits: of all that a launch needs; while one of them is open, the lane waits.
        """
        self.cluster = cluster
        self._launcher = launcher
        self._config = config
        self._clock = clock
        self._metrics = metrics
        self._throttle = Throttle(
            config.rate_limit_elements_per_second,
            config.rate_limit_elements_burst,
            Backoff(config.failure_rate_base_delay, config.failure_rate_max_delay),
            clock,
            circuits,
        )
        self._circuits = circuits
        self._refusal = ""
        self._delayed: OrderedDict[RunKey, BufferedRun] = OrderedDict()
        self._fresh: OrderedDict[RunKey, BufferedRun] = OrderedDict()
        self._filled = asyncio.Event()
        self._turn = asyncio.Lock()
        self._news = News(clock)
        self._stopped = False
        self._under_way = 0
        self._quiet = asyncio.Event()
        self._quiet.set()

    def __len__(self) -> int:
        return len(self._delayed) + len(self._fresh)

    def launch_rate(self) -> float:
        """Return how many Jobs a second are started at most now."""
        return self._throttle.rate

    def oldest_wait(self) -> float:
        """Return for how many seconds the run has waited whose turn is next; 0 when none waits."""
        first = next(self._waiting(), None)
        return (self._clock.now() - first.made_at).total_seconds() if first else 0.0

    def sample(self, owner: str) -> LaneSample:
        """Return how the lane stands now, for the journal of the scheduler `owner`."""
        first = next(self._waiting(), None)
        away = next((c.condition.reason for c in self._circuits if not c.is_closed), "")
        # Between a refusal and the next success it is refused, whatever the pauses in between.
        is_open = self._throttle.is_open and not self._refusal
        return LaneSample(
            owner=owner,
            cluster=self.cluster,
            at=self._clock.now(),
            state=LaneState.OPEN if is_open else LaneState.REFUSED,
            depth=len(self),
            rate=self._throttle.rate,
            oldest_received_at=first.made_at if first else None,
            reason="" if is_open else away or self._refusal,
        )

    def _waiting(self) -> Iterator[BufferedRun]:
        """Go through what waits, in the order of its turns."""
        return chain(self._delayed.values(), self._fresh.values())

    def put(self, run: BufferedRun, *, delayed: bool) -> None:
        """Add a run; one that waits already keeps its place."""
        if run.key in self._delayed or run.key in self._fresh:
            return
        (self._delayed if delayed else self._fresh)[run.key] = run
        self._fill()

    def remove(self, key: RunKey) -> bool:
        """Take a run out before its turn; False when it does not wait here."""
        removed = self._delayed.pop(key, None) or self._fresh.pop(key, None)
        self._heed_the_last()
        return removed is not None

    def start(self, tasks: BackgroundTasks) -> None:
        """Start the workers of this lane."""
        for number in range(self._config.workers):
            tasks.start(f"lane {self.cluster} worker {number}", self._work())

    def stop(self) -> None:
        """Start no other launch. What waits stays in the store."""
        self._stopped = True
        self._filled.clear()

    async def quiet(self) -> None:
        """Wait until no launch is under way."""
        await self._quiet.wait()

    async def _work(self) -> None:
        while True:
            run = await self._next()
            self._under_way += 1
            self._quiet.clear()
            try:
                await self._launch(run)
            finally:
                self._under_way -= 1
                if not self._under_way:
                    self._quiet.set()

    async def _next(self) -> BufferedRun:
        """Wait for a run, then for the rate limit, then for the lane to be open.

        One worker at a time. Were all of them to wait for tokens, runs that are cancelled meanwhile
        would leave them with tokens for nothing, and those past the wait would run against a
        cluster that has just refused.
        """
        async with self._turn:
            while True:
                await self._filled.wait()
                await self._throttle.take()
                # Looked for only now: one cancelled while this waited must not be launched.
                if run := self._first():
                    return run

    def _first(self) -> BufferedRun | None:
        """Take out the run whose turn it is; None when there is none any more."""
        for order in () if self._stopped else (self._delayed, self._fresh):
            if order:
                _, run = order.popitem(last=False)
                self._heed_the_last()
                return run
        return None

    def _fill(self) -> None:
        """Let a worker come, unless the lane is to start nothing more."""
        if not self._stopped:
            self._filled.set()

    def _heed_the_last(self) -> None:
        """Let workers wait when nothing else does."""
        if not len(self):
            self._filled.clear()

    async def _launch(self, run: BufferedRun) -> None:
        try:
            with self._metrics.launching(self.cluster):
                outcome = await self._launcher.launch(run)
        except HeldUpError:
            # Nothing was sent: that says nothing of the cluster.
            self._metrics.launched(self.cluster, "held_up")
            self._put_in_front(run)
        except UnavailableError as error:
            self._put_back(run, error)
        except Exception:
            # Kept in front, a run that breaks the launcher would block its lane for ever. The
            # supervisor finds it late in the store and tries on its own.
            self._metrics.launched(self.cluster, "error")
            log.exception("launch failed", request_id=run.key.request_id, cluster=self.cluster)
        else:
            self._throttle.succeeded()
            self._refusal = ""
            if self._news.is_over():
                log.info("cluster takes Jobs again", cluster=self.cluster)
            waited = (self._clock.now() - run.made_at).total_seconds()
            self._metrics.launched(self.cluster, outcome, waited)

    def _put_back(self, run: BufferedRun, error: UnavailableError) -> None:
        """Put a run in front again and slow the lane down; no run fails by this."""
        self._metrics.launched(self.cluster, "refused")
        if all(circuit.is_closed for circuit in self._circuits):
            self._refusal = str(error)
            delay = self._throttle.refused(error.retry_after)
            if self._news.is_new(self._refusal):
                event = "cluster refuses" if isinstance(error, NotNowError) else "launch put off"
                log.warning(event, cluster=self.cluster, error=self._refusal, retry_in=delay)
        # A cluster that did not answer may have created the Job all the same, and since then it may
        # have ended, or have been deleted.
        self._put_in_front(replace(run, doubtful=True))

    def _put_in_front(self, run: BufferedRun) -> None:
        self._fresh.pop(run.key, None)
        self._delayed[run.key] = run
        self._delayed.move_to_end(run.key, last=False)
        self._fill()


class Places:
    """The places of runs that are being made durable: `with places:` holds one.

    A class and no generator, since every request passes by.
    """

    def __init__(self, queue: "LaunchQueue") -> None:
        self._queue = queue
        self.held = 0
        """How many are held now."""

    def __enter__(self) -> None:
        """Take a place.

        Raises:
            OverloadedError: there is none.
        """
        if self._queue.free <= 0:
            raise OverloadedError(f"{self._queue.limit} runs are queued already", retry_after=2)
        self.held += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the place back."""
        self.held -= 1


class LaunchQueue:
    """All lanes, and the bound on what they hold together."""

    def __init__(self, lanes: Mapping[str, Lane], limit: int) -> None:
        self._lanes = lanes
        self.limit = limit
        """The most runs that the lanes hold together."""
        self.places = Places(self)

    def __len__(self) -> int:
        return sum(len(lane) for lane in self._lanes.values())

    @property
    def lanes(self) -> Sequence[Lane]:
        """All of them."""
        return tuple(self._lanes.values())

    @property
    def free(self) -> int:
        """How many more runs the queue takes."""
        return self.limit - self.places.held - len(self)

    def put(self, run: BufferedRun, *, delayed: bool = False) -> None:
        """Queue a run for its cluster; delayed ones go ahead of all that are not."""
        self._lanes[run.cluster].put(run, delayed=delayed)

    def remove(self, key: RunKey) -> bool:
        """Take a run out before its turn; False when it does not wait here."""
        return any(lane.remove(key) for lane in self._lanes.values())

    def start(self, tasks: BackgroundTasks) -> None:
        """Start launching."""
        for lane in self._lanes.values():
            lane.start(tasks)

    async def drain(self, within: float) -> None:
        """Stop launching; launches under way have `within` seconds to end."""
        for lane in self._lanes.values():
            lane.stop()
        try:
            async with asyncio.timeout(within):
                for lane in self._lanes.values():
                    await lane.quiet()
        except TimeoutError:
            # A Job may exist while its run is BUFFERED: whoever launches it again finds that Job.
            log.warning("launches cut off", after=within)
