"""The life of one Job: try, wait, try again, until it is finished or deleted."""

import asyncio
import contextlib
from datetime import datetime
from pathlib import Path

import msgspec
import structlog

from nexus_core.adapters.process import policy, sessions, shim
from nexus_core.adapters.process.machine import Machine
from nexus_core.adapters.process.manifest import JobSpec
from nexus_core.adapters.process.pod import Pod
from nexus_core.adapters.process.state import (
    KILLED_EXIT_CODE,
    Doom,
    Ending,
    JobRecord,
    JobState,
    Refusal,
    job_status,
)
from nexus_core.domain.observation import JobPhase, JobStatus

log = structlog.get_logger()

# SIGKILL can't be refused, but a process that waits for a dead disk dies when the disk answers.
_KILL_SECONDS = 10.0

# A program that was just being started when it was asked to end did not hear of it.
_BETWEEN_REQUESTS = 0.05

# Kubernetes gives a container the name of its pod as its host's, and so does every try here. What
# survives its try is known by it.
_MARKER = "HOSTNAME"


class Job:
    """One Job. `live` is to be run once, as a task; cancelling it leaves the processes running."""

    def __init__(self, record: JobRecord, spec: JobSpec, state: JobState, machine: Machine) -> None:
        self.record = record
        self.spec = spec
        self._state = state
        self._machine = machine
        self._refusal: Refusal | None = None
        self._deleted_at: datetime | None = None
        loop = asyncio.get_running_loop()
        self._deleted: asyncio.Future[None] = loop.create_future()
        self._deadline: asyncio.Future[None] = loop.create_future()
        if state.doom is Doom.DELETION:
            self._deleted.set_result(None)

    @property
    def finished_at(self) -> datetime | None:
        """When the Job finished; None while it has not."""
        return self._state.finished_at

    @property
    def deleted(self) -> bool:
        """Whether the Job is to go, finished or not."""
        return self._deleted.done()

    def is_at(self, attempt: int) -> bool:
        """Tell whether a try goes on, or is still to begin."""
        return self._state.phase is JobPhase.ACTIVE and self._state.attempt == attempt

    def status(self) -> JobStatus:
        """Return what the port shows of the Job."""
        return job_status(
            self.record, self._state, refusal=self._refusal, deleted_at=self._deleted_at
        )

    def tell(self) -> None:
        """Tell all who follow how the Job is now."""
        self._machine.feed.tell(self.status())

    def delete(self) -> None:
        """Make the Job end its pod, if it has one; `live` returns when it has ended."""
        if not self._deleted.done():
            self._deleted.set_result(None)
        if self._deleted_at is None:
            self._deleted_at = self._machine.clock.now()
            self.tell()

    async def live(self, rank: int, found: shim.Sighting) -> None:
        """Live the Job's life from its state on; return when it is finished or deleted.

        Args:
            rank: its place in the queue for places; older Jobs have lower ones.
            found: what became of its current try while nobody watched.
        """
        if self._state.started_at is not None:
            self._set_deadline(self._state.started_at)
        try:
            while self._state.phase is JobPhase.ACTIVE:
                ending = await self._try(rank, found)
                if ending is None:
                    await self._without_pod()
                    return
                await self._end_try(ending)
                found = shim.NotBegun()
        finally:
            self._deadline.cancel()

    async def _try(self, rank: int, found: shim.Sighting) -> Ending | None:
        """Bring the current try to its end. None: it did not begin, and will not."""
        if isinstance(found, Ending):
            await self._machine.executor.run(self._end_survivors)
            return found
        begun = isinstance(found, shim.Alive)
        if not begun and not await self._waits_out_back_off():
            return None
        places = self._machine.places
        turn = places.occupy() if begun else places.queue(rank)
        try:
            if not begun and await self._reaches(turn):
                found = await self._start()
            while isinstance(found, shim.Alive):
                found = await self._watch(found)
            return found if isinstance(found, Ending) else None
        finally:
            places.leave(turn)

    async def _waits_out_back_off(self) -> bool:
        retry_at = self._state.retry_at
        return retry_at is None or await self._reaches(self._machine.alarms.at(retry_at))

    async def _start(self) -> shim.Sighting:
        """Start the current try, and tell how that went."""
        before, now = self._state, self._machine.clock.now()
        waiting = msgspec.structs.replace(before, started_at=before.started_at or now)
        starting = msgspec.structs.replace(waiting, container_started_at=now, retry_at=None)
        if before.started_at is None:
            self._set_deadline(now)
        try:
            pid = await self._machine.executor.run(self._start_try, starting)
        except (shim.CommandRefusedError, OSError) as error:
            await self._change(waiting)
            self._refusal = Refusal(str(error), now)
            self.tell()
            return shim.NotBegun()
        self._state = starting
        self.tell()
        return shim.Alive(pid, child=True)

    def _start_try(self, starting: JobState) -> int:
        environment = {
            **self._machine.environment,
            _MARKER: self.record.request_id,
            **self.spec.environment,
        }
        directory = self._machine.directory
        words = shim.locate(self.spec.command, environment.get("PATH", ""), directory)
        # Saved before the try begins. Were it after, and we were killed in between, a restart would
        # not know since when the Job runs.
        self._machine.folder.save(self.record.request_id, starting)
        return shim.start(self._stem(), words, environment, directory)

    async def _watch(self, alive: shim.Alive) -> shim.Sighting:
        """Return what became of a running try, once it has ended by itself or by our hand."""
        pod = Pod(alive.pid, None if alive.child else self._stem())
        try:
            await self._until_ended(pod)
            return await self._machine.executor.run(self._clear_away, alive.pid)
        finally:
            pod.release()

    async def _until_ended(self, pod: Pod) -> None:
        exceeded = self._machine.memory.watch(pod.pid, self.spec.memory_limit)
        if self._state.doom is Doom.MEMORY:
            # We were killed between saying so and doing so.
            exceeded.set_result(None)
        try:
            await _first(pod.ended, exceeded, self._deleted, self._deadline)
            if not pod.ended.done():
                await self._kill(pod, self._doom(exceeded))
        finally:
            exceeded.cancel()

    def _doom(self, exceeded: asyncio.Future[None]) -> Doom:
        if self._deleted.done():
            return Doom.DELETION
        return Doom.MEMORY if exceeded.done() else Doom.DEADLINE

    async def _kill(self, pod: Pod, doom: Doom) -> None:
        log.info("pod killed", **self._names(), reason=doom.value)
        await self._change(msgspec.structs.replace(self._state, doom=doom))
        if doom is not Doom.MEMORY:
            await self._ask_to_end(pod)
        pod.kill()
        await asyncio.wait({pod.ended}, timeout=_KILL_SECONDS)
        if not pod.ended.done():
            log.error("pod survives its kill", **self._names(), pid=pod.pid)

    async def _ask_to_end(self, pod: Pod) -> None:
        """Send SIGTERM, and leave the grace to end in."""
        asked: set[int] = set()
        # Real time, not the clock's: it is the processes who need it.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._machine.settings.kill_grace.total_seconds()):
                while not pod.ended.done():
                    asked |= await self._machine.executor.run(
                        shim.terminate, pod.pid, self._stem(), frozenset(asked)
                    )
                    await asyncio.wait({pod.ended}, timeout=_BETWEEN_REQUESTS)

    def _clear_away(self, pid: int) -> shim.Sighting:
        """Tell what became of the try under a shim that has ended, and end what is left of it."""
        found = shim.find(self._stem(), watched=True)
        self._end_rest(pid)
        if isinstance(found, shim.NotBegun) or found == shim.Alive(pid):
            # Killed before it could claim the try, or not even SIGKILL ends it.
            return Ending(exit_code=KILLED_EXIT_CODE, reason="Error")
        return found

    def _end_survivors(self) -> None:
        """End what is left of a try that ended while nobody watched."""
        pid = shim.claimed_by(self._stem())
        if pid is not None and pid != shim.NOBODY:
            self._end_rest(pid)

    def _end_rest(self, pid: int) -> None:
        left = sessions.end_members(pid, (_MARKER, self.record.request_id))
        if left:
            log.info("processes left by a pod ended", **self._names(), processes=left)
        shim.reap(pid)

    async def _end_try(self, ending: Ending) -> None:
        """Decide what the end of a try means, and tell it."""
        if self.deleted:
            return
        settings = self._machine.settings
        back_off = policy.BackOff(settings.back_off_base, settings.back_off_cap)
        now = self._machine.clock.now()
        after = policy.after_try(self.spec, self._state, ending, now, back_off)
        await self._change(after)
        self.tell()

    async def _without_pod(self) -> None:
        """Wait for what ends a Job that has no pod, and will have none."""
        await _first(self._deleted, self._deadline)
        if self.deleted:
            return
        now = self._machine.clock.now()
        await self._change(policy.overdue(self._state, now))
        self.tell()

    async def _reaches(self, event: asyncio.Future[None]) -> bool:
        """Wait for an event. False: the Job was deleted or passed its deadline first."""
        try:
            await _first(event, self._deleted, self._deadline)
        except asyncio.CancelledError:
            event.cancel()
            raise
        if self._deleted.done() or self._deadline.done():
            event.cancel()
            return False
        return True

    def _set_deadline(self, started_at: datetime) -> None:
        if self.spec.deadline is not None:
            self._deadline = self._machine.alarms.at(started_at + self.spec.deadline)

    async def _change(self, state: JobState) -> None:
        self._state = state
        try:
            await self._machine.executor.run(
                self._machine.folder.save, self.record.request_id, state
            )
        except OSError as error:
            # What we know goes on counting; only a restart would know less.
            log.warning("job state not saved", **self._names(), error=str(error))

    def _stem(self) -> Path:
        return self._machine.folder.stem(self.record.request_id, self._state.attempt)

    def _names(self) -> dict[str, str]:
        return {"request_id": self.record.request_id, "algorithm": self.record.algorithm}


async def _first(*events: asyncio.Future[None]) -> None:
    await asyncio.wait(events, return_when=asyncio.FIRST_COMPLETED)
