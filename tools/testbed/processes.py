"""Processes that outlive who started them, each with a record and a log in its server's folder.

A record holds the id of the process and when it began, so that another process which got the same
id later is never taken for it, let alone killed.
"""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path

import msgspec
import psutil

from tools.testbed.errors import TestbedError, with_log

_RECORD = ".process.json"
_BETWEEN_LOOKS = 0.05
# The system counts in hundredths of a second from a boot time that adjusting the clock may move.
_SAME_START = 1.0
_KILLED_SECONDS = 10.0


class _Record(msgspec.Struct, frozen=True):
    pid: int
    started: float
    """Seconds since the epoch."""
    command: tuple[str, ...]


class Process:
    """A process that was started here, perhaps by an earlier run of the testbed."""

    def __init__(self, path: Path, record: _Record) -> None:
        self.name = path.name.removesuffix(_RECORD)
        self.log = log_of(path.parent, self.name)
        self.pid = record.pid
        self.started = record.started

    def alive(self) -> bool:
        """Tell whether it runs, or is frozen; one that waits to be reaped does not."""
        # Only a child of this process can be reaped, and must be.
        with contextlib.suppress(ChildProcessError):
            if os.waitpid(self.pid, os.WNOHANG)[0]:
                return False
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < _SAME_START
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def send(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens when the process has ended."""
        if self.alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def freeze(self) -> None:
        """Stop a process in its tracks, as SIGSTOP does, and wait until all of its threads stand.

        Nothing happens when it has ended. SIGCONT lets it go on.

        Raises:
            ChildProcessError: It was started by an earlier run of the testbed.
        """
        if self.alive():
            self.send(signal.SIGSTOP)
            # One thread takes the signal and halts the others, which work on until it has its
            # turn: under load long enough to answer a request. Its end is left to be seen.
            seen = os.WSTOPPED | os.WEXITED | os.WNOWAIT
            await asyncio.to_thread(os.waitid, os.P_PID, self.pid, seen)

    async def stop(self, grace: float) -> None:
        """End the process: ask it to, and kill it when it still lives after `grace` seconds."""
        self.send(signal.SIGTERM)
        # One that was frozen hears nothing before it thaws.
        self.send(signal.SIGCONT)
        if not await self._ended_within(grace):
            await self.kill()

    async def kill(self) -> None:
        """End the process as a crash would: it has no time to do anything. Waits until it is gone.

        Raises:
            TestbedError: It hangs in the system.
        """
        self.send(signal.SIGKILL)
        if not await self._ended_within(_KILLED_SECONDS):
            raise TestbedError(f"{self.name} (process {self.pid}) doesn't end, even when killed")

    async def _ended_within(self, seconds: float) -> bool:
        give_up = time.monotonic() + seconds
        while self.alive():
            if time.monotonic() >= give_up:
                return False
            await asyncio.sleep(_BETWEEN_LOOKS)
        return True


def log_of(folder: Path, name: str) -> Path:
    """Return where a process of a server writes to."""
    return folder / f"{name}.log"


def start(
    name: str, command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
) -> Process:
    """Start a process in a session of its own, its output appended to `<name>.log` in `folder`.

    Args:
        name: What it is called in its folder.
        command: The program, by name or path, and its arguments.
        folder: Where log and record are kept.
        environment: All that it finds there, instead of the environment of this process.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = os.open(log_of(folder, name), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    try:
        # A Popen object would complain when it is collected while its process lives on.
        pid = os.posix_spawnp(
            command[0],
            list(command),
            dict(os.environ if environment is None else environment),
            file_actions=[
                (os.POSIX_SPAWN_DUP2, nothing, 0),
                (os.POSIX_SPAWN_DUP2, log, 1),
                (os.POSIX_SPAWN_DUP2, log, 2),
            ],
            setsid=True,
        )
    except FileNotFoundError as error:
        raise TestbedError(f"{name} can't be started: there is no {command[0]}") from error
    finally:
        os.close(log)
        os.close(nothing)
    record = _Record(pid, psutil.Process(pid).create_time(), tuple(command))
    path = folder / f"{name}{_RECORD}"
    path.write_bytes(msgspec.json.encode(record))
    return Process(path, record)


def recorded(folder: Path) -> list[Process]:
    """Return the processes that were started in a folder and those below it, dead or alive.

    Those that were started first come first.
    """
    found = [_read(path) for path in folder.rglob(f"*{_RECORD}")]
    return sorted(found, key=lambda process: process.started)


def _read(path: Path) -> Process:
    try:
        return Process(path, msgspec.json.decode(path.read_bytes(), type=_Record))
    except msgspec.DecodeError as error:
        raise TestbedError(f"{path} is no record of a process: {error}") from error


async def stop_all(processes: Iterable[Process], grace: float) -> None:
    """End processes at once, as `Process.stop` does."""
    async with asyncio.TaskGroup() as stopping:
        for process in processes:
            stopping.create_task(process.stop(grace), name=f"stop {process.name}")


async def until_ready(
    process: Process, ready: Callable[[], Awaitable[bool]], seconds: float
) -> None:
    """Ask a process again and again until it says that it is ready.

    Raises:
        TestbedError: It died, or was not ready in time. Names its log and shows the end of it.
    """
    loop = asyncio.get_running_loop()
    give_up = loop.time() + seconds
    while True:
        if not process.alive():
            raise with_log(f"{process.name} died at its start", process.log)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(give_up):
                if await ready():
                    return
        if loop.time() >= give_up:
            raise with_log(f"{process.name} was not ready within {seconds:.0f} s", process.log)
        await asyncio.sleep(_BETWEEN_LOOKS)
