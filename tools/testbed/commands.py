"""Bringing servers up and down, and telling what runs."""

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager

from tools.testbed.builds import Say, locked
from tools.testbed.certificates import Authority
from tools.testbed.description import (
    ServerName,
    read_description,
    write_description,
)
from tools.testbed.errors import TestbedError
from tools.testbed.mounts import unmount_below
from tools.testbed.places import Places
from tools.testbed.processes import recorded
from tools.testbed.servers import Server

# Another `up` may be building all servers for the first time.
_OTHERS_SECONDS = 3600.0
_STOP_SECONDS = 15.0
# Guards against a run folder that was set to somebody's home.
_MARKER = ".nexus-testbed"


class Testbed:
    """The servers of one run folder."""

    # Its name begins like a test's.
    __test__ = False

    def __init__(
        self, places: Places, servers: Mapping[ServerName, Server], say: Say = print
    ) -> None:
        self._places = places
        self._servers = servers
        self._say = say

    async def up(self, names: Sequence[ServerName]) -> None:
        """Start those servers that don't run. Idempotent; two at once start each server once.

        Raises:
            TestbedError: Some did not start; those that did are up and described.
        """
        async with self._alone():
            self._claim_folder()
            # Before the servers, which start at the same time and share it.
            Authority(self._places.certificates)
            await _each(names, self._start)
            self._say(f"described in {self._places.description}")

    async def down(self, names: Sequence[ServerName]) -> None:
        """Stop servers and remove what they wrote; the last one takes the run folder along.

        Idempotent.

        Raises:
            TestbedError: A process does not end, or the folder is not a testbed's.
        """
        async with self._alone():
            if not self._places.run.exists():
                return
            self._claim_folder()
            await _each(names, self._stop)
            if not any(self._places.server(name).exists() for name in self._servers):
                shutil.rmtree(self._places.run)

    def status(self, names: Sequence[ServerName]) -> bool:
        """Say of each server whether it runs. Returns whether all of them do."""
        running = [self._runs(name) for name in names]
        for name, runs in zip(names, running, strict=True):
            died = not runs and self._places.server(name).exists()
            folder = self._places.server(name)
            self._say(f"{name}: {'runs' if runs else f'died; see {folder}' if died else 'is down'}")
        return all(running)

    async def _start(self, name: ServerName) -> None:
        if self._runs(name):
            self._say(f"{name}: runs already")
            return
        # What an earlier start left: it died, or was cut short.
        await self._remove(name)
        server, say = self._servers[name], self._saying(name)
        await server.install(self._places, say)
        before = time.monotonic()
        part = await server.start(self._places, say)
        write_description(self._places, read_description(self._places).having(name, part))
        say(f"ready after {time.monotonic() - before:.0f} s")

    async def _stop(self, name: ServerName) -> None:
        if self._places.server(name).exists():
            await self._remove(name)
            self._say(f"{name}: stopped")

    async def _remove(self, name: ServerName) -> None:
        """Stop the processes of a server, then forget it: whoever reads of it finds it running."""
        folder = self._places.server(name)
        if not folder.exists():
            return
        # The last one first: an API server whose store is gone takes its time to end.
        for process in reversed(recorded(folder)):
            await process.stop(_STOP_SECONDS)
        write_description(self._places, read_description(self._places).having(name, None))
        unmount_below(folder)
        shutil.rmtree(folder)

    def _runs(self, name: ServerName) -> bool:
        processes = recorded(self._places.server(name))
        described = read_description(self._places).part(name) is not None
        return described and bool(processes) and all(process.alive() for process in processes)

    def _claim_folder(self) -> None:
        run = self._places.run
        run.mkdir(parents=True, exist_ok=True)
        if not (run / _MARKER).exists() and any(run.iterdir()):
            raise TestbedError(f"{run} is no folder of a testbed; it is left alone")
        (run / _MARKER).touch()

    def _alone(self) -> AbstractAsyncContextManager[None]:
        run = self._places.run
        # Beside the folder, which `down` removes.
        return locked(run.with_name(f"{run.name}.lock"), _OTHERS_SECONDS, self._say)

    def _saying(self, name: ServerName) -> Say:
        return lambda words: self._say(f"{name}: {words}")


async def _each(names: Sequence[ServerName], act: Callable[[ServerName], Awaitable[None]]) -> None:
    """Do something for all servers at once; one that fails leaves the others their chance."""
    results = await asyncio.gather(*(act(name) for name in names), return_exceptions=True)
    problems = []
    for name, result in zip(names, results, strict=True):
        if isinstance(result, TestbedError):
            problems.append(f"{name}: {result}")
        elif isinstance(result, BaseException):
            raise result
    if problems:
        raise TestbedError("\n".join(problems))
