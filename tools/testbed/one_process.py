"""A server that is one process, which tests may end and freeze."""

import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools.testbed.errors import TestbedError
from tools.testbed.processes import Process, start


class OneProcess:
    """The process of a server, started again and again in one folder.

    Who starts it ends it: it outlives the process that started it.
    """

    def __init__(self, name: str, folder: Path, stop_seconds: float) -> None:
        """Prepare; nothing is written yet.

        Args:
            name: What the process is called; its log is `<name>.log`.
            folder: Where everything of it goes. Absolute.
            stop_seconds: How long it may take to end in order.
        """
        self.name = name
        self.folder = folder
        self._stop_seconds = stop_seconds
        self._process: Process | None = None

    @property
    def pid(self) -> int:
        """The id of the process that was started last."""
        return self._last().pid

    @property
    def alive(self) -> bool:
        """Whether it runs, or is frozen."""
        return self._process is not None and self._process.alive()

    def spawn(
        self, command: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> Process:
        """Start the process.

        Raises:
            TestbedError: It runs already, or there is no such program.
        """
        if self.alive:
            raise TestbedError(f"{self.name} in {self.folder} runs already")
        self._process = start(self.name, command, self.folder, environment)
        return self._process

    async def kill(self) -> None:
        """End it as a crash would, and wait until its ports are free."""
        await self._last().kill()

    async def stop(self) -> None:
        """End it in order."""
        await self._last().stop(self._stop_seconds)

    async def freeze(self) -> None:
        """Let it stop doing anything, with its connections open, as a long pause would."""
        await self._last().freeze()

    def thaw(self) -> None:
        """Let it go on after `freeze`."""
        self._last().send(signal.SIGCONT)

    def _last(self) -> Process:
        if self._process is None:
            raise TestbedError(f"{self.name} in {self.folder} was never started")
        return self._process
