"""The Jobs on disk: a folder each, named like the request id.

In it `job.json` (what never changes; durable), `state.json` (what changes), and the files of each
try. A folder without a readable `job.json` is what a creation or a removal left half done.
"""

import fcntl
import os
import shutil
import time
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec
import structlog

from nexus_core.adapters.process import shim
from nexus_core.adapters.process.state import JobRecord, JobState
from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.observation import JobPhase

log = structlog.get_logger()

T = TypeVar("T", bound=msgspec.Struct)

# The environment of a Job holds URLs that need no credentials, and its log may hold anything.
_OURS_ONLY = 0o700

_LOCK_SECONDS = 0.5
_BETWEEN_LOCK_TRIES = 0.01


class _JobFile(msgspec.Struct, frozen=True):
    """What `job.json` holds: one file, so that a Job is durable with one write."""

    record: JobRecord
    manifest: msgspec.Raw


class KeptJob(NamedTuple):
    """A Job as it was found on disk."""

    record: JobRecord
    manifest: bytes
    state: JobState
    sighting: shim.Sighting
    """What became of its current try."""


class JobFolder:
    """Reads and writes the Jobs below `root`. Every method blocks; `OSError` passes through."""

    def __init__(self, root: Path) -> None:
        # Absolute, because the shim goes to another directory before it writes the last file.
        self._root = root.absolute()
        self._jobs = self._root / "jobs"
        self._lock: int | None = None

    def open(self) -> None:
        """Make the folder where it is missing, and take it for this process alone.

        Raises:
            UnavailableError: it can't be written, or another process has taken it.
        """
        try:
            self._jobs.mkdir(parents=True, exist_ok=True, mode=_OURS_ONLY)
            # Let go by the operating system, however we end.
            self._lock = os.open(self._root / "lock", os.O_RDWR | os.O_CREAT, 0o600)
            _take(self._lock)
        except BlockingIOError as error:
            self.close()
            raise UnavailableError(f"{self._root} is in use by another process") from error
        except OSError as error:
            self.close()
            raise UnavailableError(f"can't write to {self._root}: {error.strerror}") from error

    def close(self) -> None:
        """Let other processes take the folder."""
        if self._lock is not None:
            # Closing alone would leave it to a shim that is just being started (see `_take`).
            fcntl.flock(self._lock, fcntl.LOCK_UN)
            os.close(self._lock)
            self._lock = None

    def ping(self) -> None:
        """Return when the folder can be written.

        Raises:
            UnavailableError: it can't.
        """
        if not os.access(self._jobs, os.W_OK | os.X_OK):
            raise UnavailableError(f"can't write to {self._jobs}")

    def stem(self, request_id: str, attempt: int) -> Path:
        """Return where the files of a try are, their endings left off."""
        return self._jobs / request_id / f"attempt-{attempt}"

    def logs(self, request_id: str) -> list[tuple[int, Path]]:
        """Return the tries of a Job that have a log, the newest first: its number, and the file."""
        files = (self._jobs / request_id).glob("attempt-*.log")
        return sorted(((_number(file), file) for file in files), reverse=True)

    def load(self) -> list[KeptJob]:
        """Return all Jobs in the order they were created; remove what is none."""
        kept = []
        for folder in self._jobs.iterdir():
            if not folder.is_dir():
                # Not ours: file browsers leave their notes everywhere, such as `.DS_Store`.
                continue
            file = _read(folder / "job.json", _JobFile)
            if file is None:
                log.warning("job folder without job removed", request_id=folder.name)
                shutil.rmtree(folder, ignore_errors=True)
                continue
            state = _read(folder / "state.json", JobState) or JobState()
            sighting = self._sighting(file.record, state)
            kept.append(KeptJob(file.record, bytes(file.manifest), state, sighting))
        return sorted(kept, key=lambda job: (job.record.created_at, job.record.request_id))

    def create(self, record: JobRecord, manifest: bytes) -> None:
        """Record a new Job; durable when it returns."""
        folder = self._jobs / record.request_id
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(mode=_OURS_ONLY)
        content = msgspec.json.encode(_JobFile(record, msgspec.Raw(manifest)))
        try:
            _write(folder / "job.json", content, durable=True)
            _sync(folder)
            _sync(self._jobs)
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def save(self, request_id: str, state: JobState) -> None:
        """Replace the state of a Job.

        Survives our death, not a loss of power: with the power the pods are gone too, and the state
        before this one leads to the same end.
        """
        _write(self._jobs / request_id / "state.json", msgspec.json.encode(state), durable=False)

    def remove(self, request_id: str) -> None:
        """Remove a Job and its logs. Idempotent."""
        folder = self._jobs / request_id
        # First, so that what is left after a crash in between is no Job.
        (folder / "job.json").unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)

    def _sighting(self, record: JobRecord, state: JobState) -> shim.Sighting:
        if state.phase is not JobPhase.ACTIVE:
            return shim.NotBegun()
        return shim.find(self.stem(record.request_id, state.attempt), watched=False)


def _number(log: Path) -> int:
    return int(log.stem.removeprefix("attempt-"))


def _take(lock: int) -> None:
    """Take a lock, with some patience for a process that is just ending.

    A shim inherits all files until it has become one, a moment after its start has returned. So a
    process killed at the wrong time leaves its lock to a shim for that moment.
    """
    give_up = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > give_up:
                raise
            time.sleep(_BETWEEN_LOCK_TRIES)
        else:
            return


def _read(file: Path, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        log.warning("job file unreadable", file=str(file), error=str(error))
        return None


def _write(file: Path, content: bytes, *, durable: bool) -> None:
    """Replace a file: readers see the whole of the old or of the new content."""
    new = file.with_suffix(".new")
    with new.open("wb") as stream:
        stream.write(content)
        if durable:
            stream.flush()
            os.fsync(stream.fileno())
    new.replace(file)


def _sync(folder: Path) -> None:
    """Make the entries of a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
