"""Sweeping: what no event told is found on a timer."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import datetime

import structlog

from nexus_core.domain.checkpoint import OpenRun, RunCursor
from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.names import RunKey
from nexus_core.domain.observation import JobPhase, JobStatus
from nexus_core.domain.stages import Stage
from nexus_core.domain.sweep import (
    Action,
    MarkRunning,
    Settle,
    Submit,
    Thresholds,
    decide_run,
    is_straggler,
)
from nexus_core.operations.launch import BufferedRun, Launcher
from nexus_core.ports.cluster import Cluster
from nexus_supervisor.enforce import Enforcer
from nexus_supervisor.parts import SupervisorParts
from nexus_supervisor.settings import Sweep

log = structlog.get_logger()

# Runs read at once: many a round trip, little memory.
_PAGE = 500


class Sweeper:
    """Looks after the runs of one cluster. Holds nothing between two sweeps.

    A sweep costs what is open and late and the Jobs that exist, never what is stored.
    """

    def __init__(
        self,
        parts: SupervisorParts,
        cluster: Cluster,
        enforcer: Enforcer,
        launcher: Launcher,
        settings: Sweep,
    ) -> None:
        self._store = parts.store
        self._index = parts.index
        self._leases = parts.leases
        self._clock = parts.clock
        self._cluster = cluster
        self._enforcer = enforcer
        self._launcher = launcher
        self._interval = settings.interval
        self._thresholds = settings.thresholds()
        self._parallel = asyncio.Semaphore(settings.parallel)
        self._metrics = enforcer.metrics

    async def sweep_for_ever(self) -> None:
        """Sweep again and again, until cancelled. The first sweep is at once."""
        while True:
            began = time.perf_counter()
            try:
                await self.sweep()
            except UnavailableError as error:
                log.warning("sweep broke off", cluster=self._cluster.name, error=str(error))
            else:
                took = time.perf_counter() - began
                self._metrics.swept(self._cluster.name, took, self._clock.now().timestamp())
            await self._clock.sleep(self._interval)

    async def sweep(self) -> None:
        """Look at every run that is open and late, and at every Job, once."""
        jobs = {status.key: status async for status in self._cluster.jobs()}
        now = self._clock.now()
        open_runs: set[RunKey] = set()
        async with asyncio.TaskGroup() as group:

            async def look_at(run: OpenRun, *, owner_lost: bool) -> None:
                if run.key in open_runs:
                    return
                open_runs.add(run.key)
                action = decide_run(
                    run, jobs.get(run.key), now, self._thresholds, owner_lost=owner_lost
                )
                if action is not None:
                    await self._parallel.acquire()
                    group.create_task(self._carry_out(run, action))

            async for run in self._abandoned(now):
                await look_at(run, owner_lost=True)
            async for run in self._late(now):
                await look_at(run, owner_lost=False)
            for job in jobs.values():
                if job.key not in open_runs and _may_straggle(job, now, self._thresholds):
                    await self._parallel.acquire()
                    group.create_task(self._remove_straggler(job, now))

    async def _abandoned(self, now: datetime) -> AsyncIterator[OpenRun]:
        """Go through the runs that schedulers left buffered which live no more."""
        for lease in await self._leases.expired(now):
            after = None
            while page := await self._index.buffered_by(
                lease.owner, _PAGE, after, self._cluster.name
            ):
                for run in page:
                    yield run
                after = _cursor(page[-1])

    async def _late(self, now: datetime) -> AsyncIterator[OpenRun]:
        """Go through the open runs that were received long enough ago to be late for anything."""
        before = now - self._thresholds.shortest
        after = None
        while page := await self._index.open_runs(self._cluster.name, before, _PAGE, after):
            for run in page:
                yield run
            after = _cursor(page[-1])

    async def _carry_out(self, run: OpenRun, action: Action) -> None:
        try:
            match action:
                case Submit():
                    await self._submit(run)
                case MarkRunning(job_uid, sent_at):
                    await self._enforcer.mark_running(run.key, job_uid, sent_at)
                case Settle(verdict):
                    await self._enforcer.finish(run.key, verdict)
        except UnavailableError as error:
            log.warning(
                "run left to the next sweep", request_id=run.key.request_id, error=str(error)
            )
        finally:
            self._parallel.release()

    async def _submit(self, run: OpenRun) -> None:
        checkpoint = await self._store.find(run.key)
        job = await self._store.find_job(run.key)
        if checkpoint is None or job is None or checkpoint.lifecycle_stage is not Stage.BUFFERED:
            return
        log.info("run submitted ahead of the queue", request_id=run.key.request_id, owner=run.owner)
        await self._launcher.launch(BufferedRun.of(checkpoint, job))
        self._metrics.submitted(self._cluster.name)

    async def _remove_straggler(self, job: JobStatus, now: datetime) -> None:
        try:
            checkpoint = await self._store.find(job.key)
            if is_straggler(job, checkpoint, now, self._thresholds):
                log.info("job deleted, run finished before", request_id=job.key.request_id)
                await self._cluster.delete_job(job.key)
                self._metrics.removed(self._cluster.name)
        except UnavailableError as error:
            log.warning(
                "job left to the next sweep", request_id=job.key.request_id, error=str(error)
            )
        finally:
            self._parallel.release()


def _may_straggle(job: JobStatus, now: datetime, thresholds: Thresholds) -> bool:
    """Tell whether it is worth asking the store about a Job."""
    return job.phase is JobPhase.ACTIVE and now - job.created_at >= thresholds.straggler_grace


def _cursor(run: OpenRun) -> RunCursor:
    return RunCursor(run.received_at, run.key.request_id)
