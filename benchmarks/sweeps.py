"""What a sweep costs, and removal, beside how much is stored."""

import statistics
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

import uuid_utils
from prometheus_client import CollectorRegistry

from benchmarks.instant import InstantCluster
from benchmarks.workload import ALGORITHM, CATALOGUE, request_body
from nexus_core import __version__
from nexus_core.adapters.folder.catalogue import FolderCatalogue
from nexus_core.adapters.mute.scheduler_callback import MuteSchedulerCallback
from nexus_core.aio.backoff import Backoff
from nexus_core.aio.clock import SystemClock
from nexus_core.aio.throttle import Throttle
from nexus_core.composition.checkpoint_stores import CheckpointStores
from nexus_core.domain.acceptance import AcceptedRun, RunFacts, accept_run, decode_request, plan_run
from nexus_core.domain.job_manifest import RunUrls
from nexus_core.domain.names import RunKey
from nexus_core.domain.observation import JobHandle, JobPhase, JobStatus
from nexus_core.domain.stages import Stage, StageChange
from nexus_core.domain.standard_runs import StandardRuns
from nexus_core.domain.template import WorkgroupSpec
from nexus_core.operations.launch import Launcher
from nexus_core.operations.settle import Settler
from nexus_supervisor.chronicle import Chronicle
from nexus_supervisor.enforce import Enforcer
from nexus_supervisor.keep_logs import LogKeeper
from nexus_supervisor.metrics import SupervisorMetrics
from nexus_supervisor.parts import SupervisorParts
from nexus_supervisor.settings import SupervisorSettings
from nexus_supervisor.sweep import Sweeper

OPEN = 1_000
LATE = 50
"""Of these: still `BUFFERED`, so that the sweep submits them. The others run, and have Jobs."""

_BETWEEN_SWEEPS = 60.0
"""Seconds of the clock: long enough for what was accepted to be late, and for Cassandra's lists to
be tidied, which is part of what a sweep costs."""

_FAST = 1_000_000
"""Jobs a second: nothing is held back by the rate limit."""

Cpu = Mapping[str, float]
"""Seconds of CPU time, by whose it is."""


class TurnedClock(SystemClock):
    """The system's clock, that can be turned forward."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def turn(self, seconds: float) -> None:
        """Let it be later."""
        self._ahead += seconds

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self._ahead)

    def monotonic(self) -> float:
        return super().monotonic() + self._ahead


class KnownJobs(InstantCluster):
    """Has the Jobs that it was told to make, all of which run."""

    def __init__(self, clock: TurnedClock) -> None:
        self._clock = clock
        self.statuses: dict[RunKey, JobStatus] = {}

    async def create_job(
        self, key: RunKey, manifest: bytes, send_by: float | None = None
    ) -> JobHandle:
        status = JobStatus(
            key=key,
            uid=key.request_id,
            phase=JobPhase.ACTIVE,
            created_at=self._clock.now(),
            started=True,
        )
        self.statuses[key] = status
        return JobHandle(status.uid, created=True)

    async def jobs(self) -> AsyncIterator[JobStatus]:
        for status in list(self.statuses.values()):
            yield status


class Cost(NamedTuple):
    """Of one sweep."""

    seconds: float
    cpu: Cpu
    queries: int


@dataclass
class SweptStore:
    """A store that is swept."""

    name: str
    stores: CheckpointStores
    clock: TurnedClock
    queries: Callable[[], int]
    """How many it was asked so far."""
    cpu: Callable[[], Cpu]
    costs: list[Cost] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cluster = KnownJobs(self.clock)
        self.parts = _parts(self.stores, self.cluster, self.clock)
        self._sweeper = _sweeper(self.parts, self.cluster)

    async def begin(self, runs: Iterable[AcceptedRun]) -> None:
        """Accept and start the runs that are open all along."""
        for run in runs:
            await self.stores.store.accept(run.checkpoint, run.job)
            handle = await self.cluster.create_job(run.checkpoint.key, run.job.manifest)
            now = self.clock.now()
            change = StageChange(to=Stage.RUNNING, at=now, sent_at=now, job_uid=handle.uid)
            await self.stores.store.advance(run.checkpoint.key, change)

    async def sweep(self, late: Sequence[AcceptedRun]) -> Cost:
        """Sweep once while some more runs are late; they are done with afterwards."""
        for run in late:
            await self.stores.store.accept(run.checkpoint, run.job)
        self.clock.turn(_BETWEEN_SWEEPS + 1)
        asked, used, began = self.queries(), self.cpu(), time.perf_counter()
        await self._sweeper.sweep()
        seconds = time.perf_counter() - began
        after = self.cpu()
        cost = Cost(
            seconds,
            {name: after[name] - used[name] for name in after},
            self.queries() - asked,
        )
        submitted = [run for run in late if run.checkpoint.key in self.cluster.statuses]
        if len(submitted) != len(late):
            raise RuntimeError(f"{self.name}: {len(submitted)} of {len(late)} late runs submitted")
        await self.finish(run.checkpoint.key for run in late)
        return cost

    async def finish(self, keys: Iterable[RunKey]) -> None:
        """Complete runs; their Jobs are gone."""
        for key in keys:
            change = StageChange(to=Stage.COMPLETED, at=self.clock.now())
            await self.stores.store.advance(key, change)
            self.cluster.statuses.pop(key)

    @property
    def milliseconds(self) -> float:
        """The median."""
        return statistics.median(cost.seconds for cost in self.costs) * 1e3

    @property
    def asked(self) -> float:
        """The median number of queries."""
        return statistics.median(cost.queries for cost in self.costs)

    def cpu_milliseconds(self, whose: str) -> float:
        """The median."""
        return statistics.median(cost.cpu[whose] for cost in self.costs) * 1e3

    def share_of(self, other: "SweptStore") -> float:
        """Speed as a share of another's: by time or by all CPU time, whichever is less."""
        pairs = list(zip(self.costs, other.costs, strict=True))
        return min(
            statistics.median(theirs.seconds / mine.seconds for mine, theirs in pairs),
            statistics.median(
                sum(theirs.cpu.values()) / sum(mine.cpu.values()) for mine, theirs in pairs
            ),
        )


async def sweep_in_turns(stores: Sequence[SweptStore], rounds: int) -> None:
    """Sweep all in turn, round after round; the first round only warms up."""
    maker = await RunMaker.make()
    for store in stores:
        await store.begin(maker.runs(OPEN - LATE, store.clock.now()))
    for turn in range(-1, rounds):
        # In another order each time: who comes second finds warmer caches.
        for store in stores if turn % 2 else reversed(stores):
            cost = await store.sweep(list(maker.runs(LATE, store.clock.now())))
            if turn >= 0:
                store.costs.append(cost)
    for store in stores:
        await store.finish(list(store.cluster.statuses))


class RunMaker:
    """Makes runs as a scheduler does."""

    def __init__(self, catalogue: FolderCatalogue) -> None:
        template = catalogue.template(ALGORITHM)
        assert template is not None
        self._standard = StandardRuns()
        self._plan = plan_run(decode_request(request_body()), template, self._standard)

    @classmethod
    async def make(cls) -> "RunMaker":
        """Read the template."""
        async with FolderCatalogue.open([CATALOGUE], SystemClock()) as catalogue:
            return cls(catalogue)

    def runs(self, count: int, now: datetime) -> Iterable[AcceptedRun]:
        """Make runs that are received now."""
        for _ in range(count):
            facts = RunFacts(
                request_id=str(uuid_utils.uuid7()),
                now=now,
                owner="bench",
                workgroup=WorkgroupSpec(cluster=InstantCluster.name),
                urls=RunUrls(payload="http://127.0.0.1:8080/data/v1/payloads/" + "x" * 200),
                nexus_version=__version__,
            )
            yield accept_run(self._plan, facts, self._standard)


def _parts(stores: CheckpointStores, cluster: KnownJobs, clock: TurnedClock) -> SupervisorParts:
    return SupervisorParts(
        store=stores.store,
        index=stores.index,
        leases=stores.leases,
        journal=stores.journal,
        retention=stores.retention,
        election=stores.election,
        candidate="bench",
        payloads=None,
        clusters={cluster.name: cluster},
        callback=MuteSchedulerCallback(),
        clock=clock,
    )


def _sweeper(parts: SupervisorParts, cluster: KnownJobs) -> Sweeper:
    settler = Settler(parts.store, parts.callback)
    metrics = SupervisorMetrics(CollectorRegistry())
    chronicle = Chronicle(parts.journal, cluster.name, parts.clock, metrics.stories)
    settings = SupervisorSettings()
    keeper = LogKeeper(parts, cluster, settings.logs, metrics.stories)
    enforcer = Enforcer(parts, cluster, settler, keeper, metrics.runs, chronicle)
    launcher = Launcher(parts.store, None, parts.clusters, settler, parts.clock)
    throttle = Throttle(_FAST, _FAST, Backoff(1, 1), parts.clock)
    return Sweeper(parts, cluster, enforcer, launcher, settings, throttle)
