"""What chaos befalls: services as processes, gates before them, and what can be seen of them.

There is one of these for each kind of backends. Everything else in this package knows no more of a
world than what is said here.
"""

import asyncio
import contextlib
import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Protocol

import msgspec

from chaos.control import Control, State, Trouble
from chaos.deeds import Targets
from chaos.history import Ending, Line
from chaos.launcher import NAME, control_file, run_here
from chaos.orders import Kind
from nexus_core.domain.names import RunKey
from support.caller import PATIENCE
from support.gate import Gate

# The exit code by which a service says that it can't start now: it is started again.
_COULD_NOT_START = 2

# Services start in a moment: as forks of a process that has done all imports already. With them, a
# start takes a second of CPU time, and a minute of chaos would be spent on that for the most part.
_NURSERY = multiprocessing.get_context("forkserver")
_NURSERY.set_forkserver_preload(["chaos.launcher", "chaos.__main__"])

# Kubernetes waits longer before it starts a container again; nothing here is spared by waiting.
_PAUSE = 1.0


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What the store has of one run."""

    run: RunKey
    label: str
    """The tag that its client gave it."""
    ending: Ending


class LiveJob(msgspec.Struct, frozen=True, kw_only=True):
    """A Job that the cluster has."""

    run: RunKey
    uid: str
    active: bool


class World(Protocol):
    """What chaos befalls."""

    folder: Path
    """Where its history and logs are, and all that it keeps."""
    targets: Targets
    kinds: frozenset[Kind]
    """The kinds of ending that there can be in it."""
    patience: float
    """Seconds for which nothing may stand still, once nothing goes wrong any more."""

    @property
    def services(self) -> Mapping[str, "Service"]:
        """All processes, by name."""

    @property
    def gates(self) -> Mapping[str, Gate]:
        """By the name of the server before which each lies."""

    @property
    def schedulers(self) -> Sequence[str]:
        """The URLs at which clients find schedulers."""

    async def started(self, run: RunKey) -> None:
        """Return when an algorithm of a run has begun."""

    async def delete_job(self, run: RunKey) -> None:
        """Delete the Job of a run, as somebody does who knows nothing of Nexus."""

    async def kill_pod(self, run: RunKey) -> None:
        """Kill the processes of a run's try, as a node does that is lost."""

    async def rows(self) -> Sequence[Row]:
        """Return what the store has of all runs, past all services."""

    async def open_rows(self) -> Collection[RunKey]:
        """Return the runs that a sweep would take for open, by whatever it looks them up."""

    async def jobs(self) -> Sequence[LiveJob]:
        """Return all Jobs that the cluster has."""

    async def remains(self) -> Sequence[str]:
        """Return what else is wrong with what is left, in words: damaged files, stray processes."""

    def lines(self) -> Sequence[Line]:
        """Return the history so far: of services, algorithms, and who observed."""


class Service:
    """A process that can be killed, stopped, frozen and started again."""

    def __init__(self, name: str, kind: str, environment: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self.control = Control(control_file(folder, name))
        self.fell: list[str] = []
        """How it ended by itself, each time that it did, which none ever should."""
        self.refused = 0
        """How often it could not start, and said so."""
        self.starts = 0
        self._kind = kind
        self._environment = {**environment, NAME: name}
        self._log = folder / "logs" / f"{name}.log"
        self._log.parent.mkdir(exist_ok=True)
        self._process: ForkServerProcess | None = None
        self._down_on_purpose = True
        self._keeper: asyncio.Task[None] | None = None
        self._frozen = False
        self._state = State()

    @property
    def up(self) -> bool:
        """Whether its process is there, frozen or not."""
        return self._process is not None and self._process.exitcode is None

    def surprises(self) -> Counter[str]:
        """Return what it met that nobody foresaw, as its log tells, and how often."""
        met: Counter[str] = Counter()
        for line in self._log.read_bytes().splitlines() if self._log.exists() else ():
            with contextlib.suppress(msgspec.DecodeError):
                said = msgspec.json.decode(line)
                if "exception" in said:
                    error = said["exception"].strip().splitlines()[-1]
                    met[f"{said['event']}: {error}"[:160]] += 1
        return met

    def start(self) -> None:
        """Start it, and start it again whenever it ends by itself."""
        self._down_on_purpose = False
        if self._keeper is None or self._keeper.done():
            self._keeper = asyncio.create_task(self._keep(), name=f"keeper of {self.name}")

    async def kill(self) -> None:
        """End it as a power failure would."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """Tell it to end, and wait until it has."""
        self.thaw()
        await self._end(signal.SIGTERM)

    def freeze(self) -> None:
        """Let no more time pass for it."""
        self._send(signal.SIGSTOP)
        self._frozen = True

    def thaw(self) -> None:
        """Let it go on where it was."""
        if self._frozen:
            self._send(signal.SIGCONT)
        self._frozen = False

    def set_clock(self, offset: float) -> None:
        """Let its clock be ahead by so many seconds."""
        self._state = msgspec.structs.replace(self._state, clock_offset=offset)
        self.control.set(self._state)

    def set_trouble(self, part: str, trouble: Trouble | None) -> None:
        """Let a part of it behave badly, or well again."""
        troubles = {name: each for name, each in self._state.troubles.items() if name != part}
        if trouble is not None:
            troubles[part] = trouble
        self._state = msgspec.structs.replace(self._state, troubles=troubles)
        self.control.set(self._state)

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.pid is not None and self.up:
            os.kill(self._process.pid, number)

    async def _end(self, number: signal.Signals) -> None:
        self._down_on_purpose = True
        self._send(number)
        if self._keeper is not None:
            async with asyncio.timeout(PATIENCE):
                await asyncio.wait({self._keeper})

    async def _keep(self) -> None:
        while not self._down_on_purpose:
            if not self._is_over(await self._run()):
                await asyncio.sleep(_PAUSE)

    def _is_over(self, code: int) -> bool:
        """Note how it ended; tell whether that was on purpose."""
        if self._down_on_purpose:
            return True
        if code == _COULD_NOT_START:
            self.refused += 1
        else:
            self.fell.append(f"exit code {code}, see {self._log}")
        return False

    async def _run(self) -> int:
        """Run a process to its end; return its exit code, below 0 that of a signal."""
        self.starts += 1
        arguments = (self._kind, dict(self._environment), str(self._log))
        self._process = _NURSERY.Process(target=run_here, args=arguments, name=self.name)
        self._process.start()
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(self._process.sentinel, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(self._process.sentinel)
        self._process.join()
        return self._process.exitcode or 0
