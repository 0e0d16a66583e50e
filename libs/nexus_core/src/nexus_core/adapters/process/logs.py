"""What the tries of Jobs printed: a file each, which goes with its Job."""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

from nexus_core.adapters.process.executor import Executor
from nexus_core.adapters.process.folder import JobFolder
from nexus_core.adapters.process.job import Job
from nexus_core.domain.journal import LogTail
from nexus_core.domain.log_tail import TailBuffer, begin_of_lines
from nexus_core.ports.clock import Clock
from nexus_core.ports.cluster import FollowedLog

# Nothing tells that a file has grown. A person who looks on takes this for at once.
_BETWEEN_LOOKS = 0.2
# Read in one go.
_BLOCK = 64 * 1024
# One who begins to follow is shown no more than this of what was before.
_MOST_BEFORE = 1024**2


class JobLogs:
    """Reads logs while their Jobs are there."""

    def __init__(self, folder: JobFolder, executor: Executor, clock: Clock) -> None:
        self._folder = folder
        self._executor = executor
        self._clock = clock

    async def tail(self, job: Job, limit: int) -> LogTail | None:
        """Return the end of what the newest try printed that printed anything."""
        found = await self._executor.run(self._newest_end, job, limit)
        if found is None:
            return None
        attempt, buffer = found
        text, truncated = buffer.end()
        return LogTail(
            text=text, at=self._clock.now(), pod=pod_name(job, attempt), truncated=truncated
        )

    @asynccontextmanager
    async def followed(self, job: Job, lines: int) -> AsyncIterator[FollowedLog | None]:
        """Open the log of the newest try that has one."""
        logs = await self._executor.run(self._folder.logs, job.record.request_id)
        if not logs:
            yield None
            return
        attempt, file = logs[0]
        chunks = self._chunks(file, lines, lambda: job.is_at(attempt) and not job.deleted)
        async with aclosing(chunks):
            yield FollowedLog(pod_name(job, attempt), chunks)

    async def _chunks(
        self, file: Path, lines: int, goes_on: Callable[[], bool]
    ) -> AsyncGenerator[bytes, None]:
        place = await self._executor.run(_begin, file, lines)
        while True:
            # Asked before the file is read: what ends after this has nothing more to say.
            ended = not goes_on()
            chunk = await self._executor.run(_read, file, place)
            if chunk:
                place += len(chunk)
                yield chunk
            elif ended:
                return
            else:
                # Real time, not the clock's: it is the processes who take it.
                await asyncio.sleep(_BETWEEN_LOOKS)

    def _newest_end(self, job: Job, limit: int) -> tuple[int, TailBuffer] | None:
        for attempt, file in self._folder.logs(job.record.request_id):
            buffer = TailBuffer(limit)
            # One byte more tells whether there was more.
            _, last = _end(file, limit + 1)
            if last:
                buffer.add(last)
                return attempt, buffer
        return None


def pod_name(job: Job, attempt: int) -> str:
    """Return what a try is called outside."""
    return f"{job.record.request_id}-{attempt}"


def _end(file: Path, size: int) -> tuple[int, bytes]:
    """Return the last bytes of a log, and where they begin; none when it was removed meanwhile."""
    try:
        with file.open("rb") as stream:
            place = stream.seek(max(0, os.fstat(stream.fileno()).st_size - size))
            return place, stream.read(size)
    except FileNotFoundError:
        return 0, b""


def _read(file: Path, place: int) -> bytes:
    """Return some of what stands at a place of a log; likewise."""
    try:
        with file.open("rb") as stream:
            stream.seek(place)
            return stream.read(_BLOCK)
    except FileNotFoundError:
        return b""


def _begin(file: Path, lines: int) -> int:
    """Return where the last lines of a log begin."""
    place, last = _end(file, _MOST_BEFORE)
    return place + begin_of_lines(last, lines, b"\n")
