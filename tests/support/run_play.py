"""The real use cases on plain stores and a plain cluster, to be explored."""

from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from nexus_core.domain.checkpoint import BufferedJob, Checkpoint, Lease, OpenRun, RunCursor
from nexus_core.domain.names import RunKey
from nexus_core.domain.observation import JobPhase, JobStatus
from nexus_core.domain.request import CancellationPolicy, CancellationRequest, Completion
from nexus_core.domain.stages import Stage
from nexus_core.operations.launch import BufferedRun, Launcher
from nexus_core.operations.settle import Settler
from nexus_receiver.complete import Completer
from nexus_receiver.parts import ReceiverParts
from nexus_scheduler.cancel import Canceller
from nexus_scheduler.parts import SchedulerParts
from nexus_scheduler.queue import LaunchQueue
from support.exploring import Calls, Event, Turns
from support.fixed_catalogue import FixedCatalogue
from support.memory_cluster import MemoryCluster
from support.memory_journal import MemoryJournal
from support.memory_stores import MemoryStore
from support.runs import a_checkpoint
from support.stored_runs import a_real_job
from support.sweeping import Told, a_sweeper

OWNER = "scheduler-0"

A_WHILE = 100.0
"""Seconds: more than every grace of a sweep, and more than any request is on its way for."""


class PlayClock:
    """Stands still, and notes who reads it: the time is something that an actor hears, too."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self.elapsed = 0.0

    def now(self) -> datetime:
        self._turns.hear("now", self.elapsed)
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.elapsed)

    def monotonic(self) -> float:
        self._turns.hear("now", self.elapsed)
        return self.elapsed

    async def sleep(self, seconds: float) -> None:
        raise AssertionError(f"nobody sleeps here, but {seconds} s were asked for")


class _Stores(SimpleNamespace):
    """The stores that a sweep asks; of all others, there are none."""

    def __getattr__(self, _: str) -> None:
        return None


class StoreCalls(Calls):
    """The ports of a plain store. What can't change while a play lasts is answered at once.

    So is every page but the first: a play has fewer runs than a page.
    """

    async def find_job(self, key: RunKey) -> BufferedJob | None:
        return self.part.find_job(key)  # type: ignore[no-any-return]

    async def expired(self, at: datetime) -> Sequence[Lease]:
        return self.part.expired(at)  # type: ignore[no-any-return]

    async def open_runs(
        self, cluster: str, before: datetime, limit: int, after: RunCursor | None = None
    ) -> Sequence[OpenRun]:
        if after is not None:
            return []
        return await self.call("open_runs", cluster, before, limit)  # type: ignore[no-any-return]

    async def buffered_by(
        self, owner: str, limit: int, after: RunCursor | None = None, cluster: str | None = None
    ) -> Sequence[OpenRun]:
        if after is not None:
            return []
        return await self.call("buffered_by", owner, limit, after, cluster)  # type: ignore[no-any-return]


class ClusterCalls(Calls):
    """The port of a plain cluster."""

    name = "standalone"

    async def jobs(self) -> AsyncIterator[JobStatus]:
        for job in await self.call("list_jobs"):
            yield job


class RunPlay:
    """A run, and those who act on it."""

    def __init__(
        self, turns: Turns, cast: Mapping[str, Callable[["RunPlay"], Awaitable[object]]]
    ) -> None:
        self.turns = turns
        self.clock = PlayClock(turns)
        self.store = MemoryStore(self.clock)
        self.cluster = MemoryCluster(self.clock)
        self.whiles_left = 1
        """How often a long time may pass while all act."""
        self.told_completed: set[RunKey] = set()
        """The runs whose algorithm was told that its result counts."""
        self._make_services()
        self.store.renew(
            Lease(
                owner=OWNER,
                callback_url="http://scheduler.test",
                expires_at=self.clock.now() + timedelta(seconds=30),
            )
        )
        self.actors = {name: self._bound(act) for name, act in cast.items()}

    def _bound(self, act: Callable[["RunPlay"], Awaitable[object]]) -> Callable[[], Any]:
        return lambda: act(self)

    def _make_services(self) -> None:
        store, cluster = StoreCalls(self.store, self.turns), ClusterCalls(self.cluster, self.turns)
        clusters, told = {cluster.name: cluster}, Told()
        settler = Settler(store, told)
        shared: Any = {
            "store": store,
            "index": store,
            "leases": store,
            "journal": MemoryJournal(),
            "payloads": None,
            "clusters": clusters,
            "clock": self.clock,
        }
        self.launcher = Launcher(store, None, clusters, settler, self.clock)
        self.completer = Completer(
            ReceiverParts(store=store, payloads=None, callback=told, clock=self.clock), settler
        )
        catalogue: Any = {"catalogue": FixedCatalogue(), "urls": None}
        self.canceller = Canceller(
            SchedulerParts(**shared, **catalogue), LaunchQueue({}, 1), settler
        )
        world: Any = SimpleNamespace(stores=_Stores(**shared), cluster=cluster, clock=self.clock)
        self.sweeper = a_sweeper(world)

    def have(self, **changes: Any) -> Checkpoint:
        """Have a run that was just accepted."""
        now = self.clock.now()
        run = a_checkpoint(received_at=now, last_modified=now, received_by_host=OWNER, **changes)
        self.store.accept(run, a_real_job(run))
        return run

    # What actors do.

    async def launch(self, key: RunKey) -> None:
        run, job = self.store.records[key], self.store.jobs[key]
        await self.launcher.launch(BufferedRun.of(run, job))

    async def report(self, key: RunKey) -> None:
        if await self.completer.complete(key, Completion(result_uri="s3a://results/1")):
            self.told_completed.add(key)

    async def cancel(self, key: RunKey, policy: CancellationPolicy | None = None) -> None:
        await self.canceller.cancel(
            key, CancellationRequest(initiator="me", cancellation_policy=policy)
        )

    async def sweep(self) -> None:
        await self.sweeper.sweep()

    # What the explorer asks.

    def state(self) -> Hashable:
        return self.store.state(), self.cluster.state(), self.clock.elapsed, self.whiles_left

    def outcome(self) -> Hashable:
        (run,) = self.store.records.values()
        return run.lifecycle_stage

    def events(self) -> list[Event]:
        events = self.cluster.events()
        on_its_way = any(
            not call.is_answer and call.name != "begins" for call in self.turns.waiting
        )
        # No request is on its way that long: clients and servers give it up before.
        if self.whiles_left and not on_its_way:
            events.append(("time passes", self._let_time_pass))
        return events

    def _let_time_pass(self) -> None:
        self.whiles_left -= 1
        self.clock.elapsed += A_WHILE
        self.cluster.remove_old()

    def may_begin(self, actor: str) -> bool:
        """An algorithm reports when it runs; all others begin whenever they like."""
        return actor != "algorithm" or bool(self.cluster.starts)

    def check(self) -> None:
        by_run: dict[RunKey, list[Stage]] = {key: [] for key in self.store.records}
        for key, stage in self.store.changes:
            by_run[key].append(stage)
        for key, stages in by_run.items():
            assert not any(stage.finished for stage in stages[:-1]), f"{key} went {stages}"
            assert self.cluster.starts[key] <= 1, (
                f"{key} was started {self.cluster.starts[key]} times"
            )

    async def end(self) -> None:
        """Let sweeps put right what went wrong, and what runs end; then look at every run."""
        for _ in range(2):
            self._let_time_pass()
            await self.sweeper.sweep()
        for job in self.cluster.list_jobs():
            if job.phase is JobPhase.ACTIVE:
                stage = self.store.records[job.key].lifecycle_stage
                assert stage is Stage.RUNNING, f"{job.key} is {stage}, and has a Job"
                self.cluster.finish(job.key, JobPhase.FAILED)
        await self.sweeper.sweep()
        for run in self.store.records.values():
            assert run.lifecycle_stage.finished, f"{run.key} is {run.lifecycle_stage} for ever"
        for key in self.told_completed:
            assert self.store.records[key].lifecycle_stage is Stage.COMPLETED
