"""All that writes to runs, at once and in any order, on a store and a cluster that often fail.

The seed in a test's name makes the same steps again; how threads interleave them may differ.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nexus_core.domain.errors import NexusError, UnavailableError
from nexus_core.domain.names import RunKey
from nexus_core.domain.observation import JobPhase
from nexus_core.domain.request import CancellationRequest, Completion
from nexus_core.domain.stages import Stage
from nexus_core.domain.verdicts import Verdict
from nexus_core.operations.launch import BufferedRun, Launcher
from nexus_core.operations.settle import Settler
from nexus_receiver.complete import Completer
from nexus_receiver.parts import ReceiverParts
from nexus_scheduler.cancel import Canceller
from nexus_scheduler.parts import SchedulerParts
from nexus_scheduler.queue import LaunchQueue
from nexus_supervisor.sweep import Sweeper
from support.clock import ManualClock
from support.meddling import meddled
from support.services import World, open_world
from support.stored_runs import store_run
from support.sweeping import Told, a_sweeper
from support.trouble import Trouble

RUNS = 12
STEPS = 120

# Longer than all graces and thresholds of a sweep.
A_WHILE = 100.0


class Crowd:
    """Everybody who may change a run, each doing one thing when told to."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self.fails = 0.1
        """How often a write fails: half of the times before, half after it is made."""
        self._rng = rng
        self._world = world
        self._cluster = meddled(
            world.cluster,
            create_job=self._flaky(world.cluster.create_job),
            delete_job=self._flaky(world.cluster.delete_job),
        )
        stores = world.stores
        store = meddled(stores.store, advance=self._flaky(stores.store.advance))
        self._flaky_world = replace(
            world, stores=replace(stores, store=store), cluster=self._cluster
        )
        self._settler = Settler(store, Told())
        self.sweeper: Sweeper = a_sweeper(self._flaky_world)
        self._launcher = self._make_launcher()
        self._completer = self._make_completer()
        self._canceller = self._make_canceller()

    def _flaky(self, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def call(*arguments: Any, **more: Any) -> Any:
            fate = self._rng.random()
            if fate < self.fails / 2:
                raise UnavailableError("refused before anything was done")
            answer = await method(*arguments, **more)
            if fate < self.fails:
                raise UnavailableError("done, and the answer lost")
            return answer

        return call

    def _make_launcher(self) -> Launcher:
        stores, clusters = self._flaky_world.stores, {self._cluster.name: self._cluster}
        clock = self._world.clock
        return Launcher(stores.store, stores.payloads, clusters, self._settler, clock)

    def _make_completer(self) -> Completer:
        stores = self._flaky_world.stores
        parts = ReceiverParts(
            store=stores.store, payloads=stores.payloads, callback=Told(), clock=self._world.clock
        )
        return Completer(parts, self._settler)

    def _make_canceller(self) -> Canceller:
        stores = self._flaky_world.stores
        parts = SchedulerParts(
            store=stores.store,
            index=stores.index,
            leases=stores.leases,
            journal=stores.journal,
            payloads=stores.payloads,
            catalogue=self._world.catalogue,
            clusters={self._cluster.name: self._cluster},
            urls=stores.urls,
            clock=self._world.clock,
        )
        return Canceller(parts, LaunchQueue({}, 1), self._settler)

    async def act(self, key: RunKey) -> None:
        """Let somebody do something to a run, a little later."""
        deed = self._rng.choice(
            [
                self._launch,
                self._launch,
                self._launch,
                self._succeed,
                self._fail,
                self._cancel,
                self._judge,
                self._end_job,
            ]
        )
        for _ in range(self._rng.randrange(20)):
            await asyncio.sleep(0)
        # What a client or a service is told to do again, or not to do.
        with suppress(NexusError):
            await deed(key)

    async def sweep(self) -> None:
        with suppress(UnavailableError):
            await self.sweeper.sweep()

    async def _launch(self, key: RunKey) -> None:
        checkpoint = await self._world.stores.store.find(key)
        job = await self._world.stores.store.find_job(key)
        assert checkpoint is not None
        assert job is not None
        await self._launcher.launch(BufferedRun.of(checkpoint, job))

    async def _succeed(self, key: RunKey) -> None:
        await self._completer.complete(key, Completion(result_uri="uri"))

    async def _fail(self, key: RunKey) -> None:
        await self._completer.complete(key, Completion(error_cause="cause"))

    async def _cancel(self, key: RunKey) -> None:
        await self._canceller.cancel(key, CancellationRequest(initiator="me"))

    async def _judge(self, key: RunKey) -> None:
        stage = self._rng.choice([Stage.FAILED, Stage.DEADLINE_EXCEEDED, Stage.SCHEDULING_FAILED])
        verdict = Verdict(stage=stage, cause="seen", delete_job=True)
        await self.sweeper._enforcer.finish(key, verdict)

    async def _end_job(self, key: RunKey) -> None:
        if key in self._world.cluster.living:
            end_job(self._world, key, self._rng.choice(list(JobPhase)))


def end_job(world: World, key: RunKey, phase: JobPhase) -> None:
    finished_at = None if phase is JobPhase.ACTIVE else world.clock.now()
    world.cluster.become(key, phase=phase, started=True, finished_at=finished_at)


def changes(trouble: Trouble, key: RunKey) -> list[Stage]:
    """Return the stages that a run was brought to, in order."""
    return [
        call.answer.stage
        for call in trouble.answers("advance")
        if call.arguments[0] == key and call.answer.applied
    ]


@pytest.mark.parametrize("seed", range(10))
async def test_every_run_finishes_once_whoever_does_what_to_it(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - chooses steps, guards nothing
    clock, trouble = ManualClock(), Trouble()
    async with open_world(tmp_path, clock) as world:
        world.stores = trouble.befalls(world.stores)
        keys = [await store_run(world) for _ in range(RUNS)]
        crowd = Crowd(world, rng)

        for _ in range(3):
            deeds = [crowd.act(rng.choice(keys)) for _ in range(STEPS // 3)]
            await asyncio.gather(*deeds, crowd.sweep())
            await clock.advance(rng.choice([1, A_WHILE]))
        await let_all_end(world, crowd, clock)

        deleted = Counter(key for key, _ in world.cluster.deletions)
        for key in keys:
            stages = changes(trouble, key)
            assert stages[-1].finished, (seed, key)
            assert not any(stage.finished for stage in stages[:-1]), (seed, key, stages)
            assert stages.count(Stage.RUNNING) <= 1, (seed, key, stages)
            assert await world.stage(key) is stages[-1], (seed, key)
            assert world.cluster.creations[key] <= 1 + deleted[key], (seed, key)


async def let_all_end(world: World, crowd: Crowd, clock: ManualClock) -> None:
    """Let time pass in peace: sweeps put right what went wrong, and what runs ends."""
    crowd.fails = 0
    for _ in range(2):
        await clock.advance(A_WHILE)
        await crowd.sweeper.sweep()
    async for job in world.cluster.jobs():
        if job.phase is JobPhase.ACTIVE:
            assert await world.stage(job.key) is Stage.RUNNING
            end_job(world, job.key, JobPhase.FAILED)
    await crowd.sweeper.sweep()
