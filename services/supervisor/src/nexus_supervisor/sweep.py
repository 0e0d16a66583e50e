"""Sweeping: what no event told is found on a timer."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from functools import partial

import structlog

from nexus_core.aio.backoff import shortened
from nexus_core.aio.throttle import Throttle
from nexus_core.domain.checkpoint import OpenRun, RunCursor
from nexus_core.domain.errors import InvalidInputError, UnavailableError
from nexus_core.domain.names import RunKey
from nexus_core.domain.observation import JobPhase, JobStatus
from nexus_core.domain.recall import recalled
from nexus_core.domain.run_events import LATE, OWNER_GONE
from nexus_core.domain.stages import Stage
from nexus_core.domain.sweep import (
    Action,
    GiveUp,
    MarkRunning,
    Settle,
    Submit,
    Thresholds,
    decide_run,
    is_jobless,
    is_straggler,
)
from nexus_core.domain.verdicts import Verdict, job_is_not_stored, job_is_unusable
from nexus_core.operations.launch import BufferedRun, Launcher
from nexus_core.ports.cluster import Cluster
from nexus_core.telemetry.news import News
from nexus_supervisor.brake import Brake
from nexus_supervisor.enforce import Enforcer
from nexus_supervisor.parts import SupervisorParts
from nexus_supervisor.settings import SupervisorSettings

log = structlog.get_logger()

# Runs read at once: many a round trip, little memory.
_PAGE = 500

Deed = Callable[[], Awaitable[None]]
"""Something to be done about one run."""


class Sweeper:
    """Looks after the runs of one cluster. What it remembers of them only adds to what it finds.

    A sweep costs what is open and late and the Jobs that exist, never what is stored. What it
    submits goes ahead of the queue, but spares the cluster as the queue does.
    """

    def __init__(
        self,
        parts: SupervisorParts,
        cluster: Cluster,
        enforcer: Enforcer,
        launcher: Launcher,
        settings: SupervisorSettings,
        throttle: Throttle,
    ) -> None:
        self._store = parts.store
        self._index = parts.index
        self._leases = parts.leases
        self._journal = parts.journal
        self._clock = parts.clock
        self._cluster = cluster
        self._enforcer = enforcer
        self._launcher = launcher
        self._interval = settings.sweep.interval
        self._thresholds = settings.thresholds()
        self._parallel = settings.sweep.parallel
        self._throttle = throttle
        self._brake = Brake(cluster.name, self._thresholds, parts.clock)
        self._memory = enforcer.memory
        self._chronicle = enforcer.chronicle
        self._metrics = enforcer.metrics

    async def sweep_for_ever(self) -> None:
        """Sweep again and again, until cancelled. The first sweep is at once."""
        news = News(self._clock)
        while True:
            began, pause = self._clock.monotonic(), float(self._interval)
            try:
                await self.sweep()
            except UnavailableError as error:
                pause = shortened(self._interval)
                if news.is_new(str(error)):
                    log.warning("sweep broke off", cluster=self._cluster.name, error=str(error))
            else:
                if news.is_over():
                    log.info("sweep gets through again", cluster=self._cluster.name)
                took = self._clock.monotonic() - began
                self._metrics.swept(self._cluster.name, took, self._clock.now().timestamp())
            await self._clock.sleep(pause)

    async def sweep(self) -> None:
        """Look at every run that is open and late, and at every Job, once.

        Raises:
            UnavailableError: the store or the cluster could not be read; what was found before that
                is done.
        """
        places = asyncio.Semaphore(self._parallel)
        broken: UnavailableError | None = None
        async with asyncio.TaskGroup() as group:
            try:
                async for key, deed in self._deeds():
                    await places.acquire()
                    task = group.create_task(_do(key, deed), name=f"sweep {key}")
                    task.add_done_callback(lambda _: places.release())
            except UnavailableError as error:
                # Kept from the group, which would cancel what is under way, and wrap the error.
                broken = error
        if broken is not None:
            raise broken

    async def _deeds(self) -> AsyncIterator[tuple[RunKey, Deed]]:
        """Go through what is to be done, each about another run."""
        # Jobs first: a run that starts after this seems to have no Job, but is within its grace.
        now = self._clock.now()
        jobs = {job.key: self._look_at(job, now) async for job in self._cluster.jobs()}
        seen: set[RunKey] = set()
        lost: list[tuple[RunKey, Verdict]] = []
        async for run, owner_lost in self._open_runs(now):
            if run.key in seen:
                continue
            seen.add(run.key)
            job = jobs.get(run.key) or await self._last_known(run, now)
            limit = await self._enforcer.memory_limit(job) if job else ""
            action = decide_run(
                run, job, now, self._thresholds, owner_lost=owner_lost, memory_limit=limit
            )
            if isinstance(action, GiveUp):
                lost.append((run.key, action.verdict))
            elif action is not None:
                yield run.key, partial(self._carry_out, run, action)
        self._metrics.missing(self._cluster.name, len(lost))
        for key, verdict in self._brake.let_through(lost, len(seen & jobs.keys())):
            yield key, partial(self._give_up, key, verdict)
        for job in jobs.values():
            if job.key not in seen and _may_straggle(job, now, self._thresholds):
                yield job.key, partial(self._remove_straggler, job, now)

    def _look_at(self, job: JobStatus, now: datetime) -> JobStatus:
        self._chronicle.saw(job)
        return self._memory.saw(job, now)

    async def _last_known(self, run: OpenRun, now: datetime) -> JobStatus | None:
        """Return how the Job of a run was that has none now; None where nobody saw it go."""
        last = self._memory.last_of(run.key)
        if last is not None or not is_jobless(run, now, self._thresholds):
            return last
        try:
            return recalled(run.key, await self._journal.events(run.key))
        except UnavailableError as error:
            # It only says more of what is so anyway.
            log.warning("journal not asked", request_id=run.key.request_id, error=str(error))
            return None

    async def _open_runs(self, now: datetime) -> AsyncIterator[tuple[OpenRun, bool]]:
        """Go through all runs that something may be wrong with; True: their scheduler is gone."""
        async for run in self._abandoned(now):
            yield run, True
        async for run in self._late(now):
            yield run, False

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

    async def _give_up(self, key: RunKey, verdict: Verdict) -> None:
        """Finish a run whose Job was not listed, unless it is there all the same."""
        if await self._cluster.find_job(key) is None:
            await self._enforcer.finish(key, verdict)
        else:
            log.warning("job was not listed", request_id=key.request_id)

    async def _carry_out(self, run: OpenRun, action: Action) -> None:
        match action:
            case Submit(owner_lost):
                await self._submit(run, OWNER_GONE if owner_lost else LATE)
            case MarkRunning(job_uid, sent_at):
                await self._enforcer.mark_running(run.key, job_uid, sent_at)
            case Settle(verdict):
                await self._enforcer.finish(run.key, verdict)

    async def _submit(self, run: OpenRun, why: str) -> None:
        if not await self._throttle.try_take():
            return  # the cluster has just refused; what is late now is late in the next sweep, too
        checkpoint = await self._store.find(run.key)
        job = await self._store.find_job(run.key)
        if checkpoint is None or checkpoint.lifecycle_stage is not Stage.BUFFERED:
            return
        if job is None:
            await self._give_up_without_job(run)
            return
        log.info("run submitted ahead of the queue", request_id=run.key.request_id, owner=run.owner)
        try:
            await self._launcher.launch(BufferedRun.of(checkpoint, job))
        except UnavailableError as error:
            self._throttle.refused(error.retry_after)
            raise
        except InvalidInputError as error:
            # Without an end, a run that nobody can start would be tried for ever.
            await self._enforcer.finish(run.key, job_is_unusable(str(error)))
        else:
            self._throttle.succeeded()
            self._metrics.submitted(self._cluster.name)
            self._chronicle.submitted_ahead(run.key, why)

    async def _give_up_without_job(self, run: OpenRun) -> None:
        # A young run and its Job are stored together, but may not be seen together at once.
        if self._clock.now() - run.received_at >= self._thresholds.late_after:
            await self._enforcer.finish(run.key, job_is_not_stored())

    async def _remove_straggler(self, job: JobStatus, now: datetime) -> None:
        checkpoint = await self._store.find(job.key)
        if checkpoint and is_straggler(job, checkpoint, now, self._thresholds):
            log.info("job deleted, run finished before", request_id=job.key.request_id)
            await self._enforcer.remove_job(job.key, checkpoint.lifecycle_stage)
            self._metrics.removed(self._cluster.name)


async def _do(key: RunKey, deed: Deed) -> None:
    """Do what is to be done about one run; what fails holds up no other."""
    try:
        await deed()
    except UnavailableError as error:
        log.warning("run left to the next sweep", request_id=key.request_id, error=str(error))
    except Exception:
        log.exception("sweep failed for a run", request_id=key.request_id)


def _may_straggle(job: JobStatus, now: datetime, thresholds: Thresholds) -> bool:
    """Tell whether it is worth asking the store about a Job."""
    lives = job.phase is JobPhase.ACTIVE and job.deleted_at is None
    return lives and now - job.created_at >= thresholds.straggler_grace


def _cursor(run: OpenRun) -> RunCursor:
    return RunCursor(run.received_at, run.key.request_id)
