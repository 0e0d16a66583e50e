"""The port `Cluster` over the processes of this machine."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from datetime import datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Self, TypeVar

import structlog

from nexus_core.adapters.process import shim
from nexus_core.adapters.process.executor import Executor
from nexus_core.adapters.process.folder import JobFolder, KeptJob
from nexus_core.adapters.process.job import Job
from nexus_core.adapters.process.logs import JobLogs
from nexus_core.adapters.process.machine import Machine, make_machine
from nexus_core.adapters.process.manifest import JobSpec, read_manifest
from nexus_core.adapters.process.register import Register
from nexus_core.adapters.process.settings import ProcessClusterSettings
from nexus_core.adapters.process.state import JobRecord, JobState
from nexus_core.adapters.process.tasks import Tasks
from nexus_core.domain.errors import ConflictError, HeldUpError, JobRejectedError, UnavailableError
from nexus_core.domain.journal import LogTail
from nexus_core.domain.names import RunKey
from nexus_core.domain.observation import JobHandle, JobStatus
from nexus_core.domain.request import CancellationPolicy
from nexus_core.ports.clock import Clock
from nexus_core.ports.cluster import FollowedLog

log = structlog.get_logger()

T = TypeVar("T")


class ProcessCluster:
    """Runs the Jobs of runs as processes of this machine. Made by `open`.

    Pods outlive it: when it is closed, or killed, they go on, and the next one that is opened on
    the same folder takes them up again. One process at a time may have a folder open.
    """

    def __init__(self, name: str, machine: Machine, tasks: Tasks) -> None:
        self._name = name
        self._machine = machine
        self._tasks = tasks
        self._closed = False
        self._ranks = count()
        self._register = Register()
        self._logs = JobLogs(machine.folder, machine.executor, machine.clock)
        self._lives: dict[str, asyncio.Task[None]] = {}
        self._creations: dict[str, asyncio.Task[Job]] = {}
        self._removals: dict[str, asyncio.Task[None]] = {}
        self._expiries: dict[str, asyncio.Future[None]] = {}
        self._services = (
            tasks.start(machine.alarms.run(), "process-cluster-alarms"),
            tasks.start(machine.memory.run(), "process-cluster-memory"),
        )

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        root: Path,
        *,
        name: str,
        directory: Path,
        clock: Clock,
        settings: ProcessClusterSettings | None = None,
    ) -> AsyncIterator[Self]:
        """Take up the Jobs recorded below `root`, and close without ending their pods.

        Args:
            root: where Jobs and their logs are kept; made when missing.
            name: what workgroups call this cluster.
            directory: where pods start; a relative command is found from there.
            clock: for deadlines, back-off and expiry.
            settings: how Jobs share this machine.

        Raises:
            UnavailableError: `root` can't be written, or is another process's.
        """
        settings = settings or ProcessClusterSettings()
        async with AsyncExitStack() as stack:
            folder, executor, tasks = JobFolder(root), Executor(), Tasks()
            stack.callback(folder.close)
            stack.push_async_callback(executor.close)
            stack.push_async_callback(tasks.cancel)
            await executor.run(folder.open)
            machine = make_machine(folder, executor, directory, clock, settings)
            cluster = cls(name, machine, tasks)
            stack.callback(cluster._close)
            cluster._take_up(await executor.run(folder.load))
            yield cluster

    @property
    def name(self) -> str:
        """What workgroups call this cluster."""
        return self._name

    async def create_job(
        self, key: RunKey, manifest: bytes, send_by: float | None = None
    ) -> JobHandle:
        """Create the Job of a run; durable when it returns."""
        self._check_open()
        spec = read_manifest(key, manifest)
        if (removal := self._removals.get(key.request_id)) is not None:
            await asyncio.wait({removal})
        job, creation = self._register.named(key.request_id), self._creations.get(key.request_id)
        created = job is None and creation is None
        if job is None:
            if creation is None:
                if send_by is not None and self._machine.clock.monotonic() >= send_by:
                    raise HeldUpError(f"Job {key.request_id} was held up before it was created")
                creation = self._start_creation(key, spec, manifest)
            job = await self._outcome(creation)
        if job.record.algorithm != key.algorithm:
            raise ConflictError(f"Job {key.request_id} is one of {job.record.algorithm}")
        return JobHandle(uid=job.record.uid, created=created)

    async def find_job(self, key: RunKey) -> JobStatus | None:
        """Return the status of a run's Job, from memory."""
        self._check_open()
        job = self._register.find(key)
        return job.status() if job else None

    async def delete_job(
        self, key: RunKey, policy: CancellationPolicy = CancellationPolicy.BACKGROUND
    ) -> bool:
        """Delete the Job of a run; its processes have ended and its logs are gone on return.

        So have those of the Jobs that it owns: `Background` does here what `Foreground` must.
        """
        self._check_open()
        job = self._register.find(key)
        if job is None:
            return False
        doomed = [job] if policy is CancellationPolicy.ORPHAN else self._register.family(job)
        removals = [self._start_removal(member) for member in doomed]
        for removal in removals:
            await self._outcome(removal)
        return True

    async def log(self, key: RunKey, limit: int) -> LogTail | None:
        """Return the end of what a run printed, from its file."""
        self._check_open()
        job = self._register.find(key)
        return await self._logs.tail(job, limit) if job else None

    @asynccontextmanager
    async def follow_log(self, key: RunKey, lines: int) -> AsyncIterator[FollowedLog | None]:
        """Open what the newest try of a run prints."""
        self._check_open()
        if (job := self._register.find(key)) is None:
            yield None
            return
        async with self._logs.followed(job, lines) as log:
            yield log

    async def jobs(self) -> AsyncIterator[JobStatus]:
        """Go through all Jobs, oldest first."""
        self._check_open()
        for job in self._register:
            yield job.status()

    async def observe(self) -> AsyncGenerator[JobStatus, None]:
        """Follow what happens; a follower who falls behind is told all of it again.

        Raises:
            UnavailableError: the cluster was closed.
        """
        self._check_open()
        with self._machine.feed.follower() as follower:
            while True:
                follower.begin()
                for job in self._register:
                    yield job.status()
                async with aclosing(follower.statuses()) as statuses:
                    async for status in statuses:
                        yield status

    def silence(self) -> float | None:
        """Return 0: nothing lies between this and its pods."""
        return 0.0

    async def ping(self) -> None:
        """Return when Jobs can be recorded and run."""
        self._check_open()
        if any(service.done() for service in self._services):
            raise UnavailableError("a part of the process cluster has failed; see the log")
        await self._machine.executor.run(self._machine.folder.ping)

    def _take_up(self, kept: list[KeptJob]) -> None:
        """Go on with the Jobs that an earlier cluster on the same folder left."""
        for record, manifest, state, sighting in kept:
            try:
                spec = read_manifest(record.key, manifest)
            except JobRejectedError as error:
                # Another version took it. What it means is not known, so nothing is done to it.
                name = record.request_id
                log.warning("kept job not understood", request_id=name, error=str(error))
                continue
            job = Job(record, spec, state, self._machine)
            self._register.add(job)
            if job.finished_at is None:
                self._start_life(job, next(self._ranks), sighting)
            else:
                self._expire(job, job.finished_at)
            if job.deleted:
                self._start_removal(job)

    def _close(self) -> None:
        self._closed = True
        self._machine.feed.close()

    def _check_open(self) -> None:
        if self._closed:
            raise UnavailableError("the process cluster was closed")

    async def _outcome(self, task: asyncio.Task[T]) -> T:
        """Wait for a creation or a removal, which is carried through though its caller gives up."""
        await asyncio.wait({task})
        if task.cancelled():
            raise UnavailableError("the process cluster was closed meanwhile")
        return task.result()

    def _start_creation(self, key: RunKey, spec: JobSpec, manifest: bytes) -> asyncio.Task[Job]:
        creation = self._tasks.start(
            self._create(key, spec, manifest), f"process-cluster-create-{key.request_id}"
        )
        self._creations[key.request_id] = creation
        creation.add_done_callback(lambda _: self._creations.pop(key.request_id, None))
        return creation

    async def _create(self, key: RunKey, spec: JobSpec, manifest: bytes) -> Job:
        record = JobRecord(
            algorithm=key.algorithm,
            request_id=key.request_id,
            uid=str(uuid.uuid4()),
            created_at=self._machine.clock.now(),
        )
        rank = next(self._ranks)
        try:
            await self._machine.executor.run(self._machine.folder.create, record, manifest)
        except OSError as error:
            raise UnavailableError(f"can't record Job {key}: {error}") from error
        job = Job(record, spec, JobState(), self._machine)
        self._register.add(job)
        self._start_life(job, rank, shim.NotBegun())
        return job

    def _start_life(self, job: Job, rank: int, found: shim.Sighting) -> None:
        request_id = job.record.request_id
        self._lives[request_id] = self._tasks.start(
            self._live(job, rank, found), f"process-cluster-job-{request_id}"
        )

    async def _live(self, job: Job, rank: int, found: shim.Sighting) -> None:
        try:
            await job.live(rank, found)
        finally:
            self._lives.pop(job.record.request_id, None)
        if job.finished_at is not None:
            self._expire(job, job.finished_at)

    def _expire(self, job: Job, finished_at: datetime) -> None:
        """Set the alarm that removes a finished Job, as Kubernetes' TTL controller does."""
        keep = job.spec.keep_finished
        if keep is None or job.deleted:
            return
        expiry = self._machine.alarms.at(finished_at + keep)
        self._expiries[job.record.request_id] = expiry
        expiry.add_done_callback(partial(self._on_expiry, job))

    def _on_expiry(self, job: Job, expiry: asyncio.Future[None]) -> None:
        if not expiry.cancelled() and not self._closed:
            for member in self._register.family(job):
                self._start_removal(member)

    def _start_removal(self, job: Job) -> asyncio.Task[None]:
        request_id = job.record.request_id
        removal = self._removals.get(request_id)
        if removal is None:
            removal = self._tasks.start(self._remove(job), f"process-cluster-remove-{request_id}")
            self._removals[request_id] = removal
        return removal

    async def _remove(self, job: Job) -> None:
        request_id = job.record.request_id
        try:
            job.delete()
            if (life := self._lives.get(request_id)) is not None:
                await asyncio.wait({life})
            if (expiry := self._expiries.pop(request_id, None)) is not None:
                expiry.cancel()
            await self._machine.executor.run(self._machine.folder.remove, request_id)
            self._register.remove(job)
        except OSError as error:
            raise UnavailableError(f"can't remove Job {job.record.key}: {error}") from error
        finally:
            self._removals.pop(request_id, None)
