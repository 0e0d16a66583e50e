"""Standalone as people start it: a process of its own, on an address of its own."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from support.caller import (
    PATIENCE,
    Caller,
    inherited_environment,
    own_host,
    own_ports,
    start_service,
)
from support.doomed_service import MODULE, doom
from support.release import THIS_RELEASE


class Standalone(Caller):
    """A standalone that can be killed and started again on the same data."""

    def __init__(self, folder: Path, session: aiohttp.ClientSession) -> None:
        self.host, self.ports = own_host(), own_ports()
        super().__init__(f"http://{self.host}:{self.ports['SCHEDULER']}", session)
        self.folder = folder
        self.release = THIS_RELEASE
        """The one that is started."""
        self.process: asyncio.subprocess.Process | None = None

    def environment(self, **settings: str) -> dict[str, str]:
        """Return the environment that it is started in."""
        own = {
            "NEXUS__DATA_PATH": str(self.folder / "data"),
            "NEXUS__LOG_LEVEL": "warning",
            # Jobs fail here when they are seconds old, and are to go all the same.
            **self.release.known({"NEXUS__SWEEP__JOB_KEPT_FOR": "0s"}),
        }
        for service, port in self.ports.items():
            own[f"NEXUS__{service}__LISTEN__HOST"] = self.host
            own[f"NEXUS__{service}__LISTEN__PORT"] = str(port)
        return {**inherited_environment(), **own, **settings}

    async def start(self, **settings: str) -> None:
        """Start it, and wait until it is ready."""
        environment = self.environment(**settings)
        python = self.release.python
        self.process = await start_service("nexus_standalone", environment, python)
        await self.ready(self.url, self.process)

    async def start_doomed(self, point: str, visit: int = 1, /, **settings: str) -> None:
        """Start one that kills itself when it gets to one of the fail points for the n-th time."""
        environment = self.environment(**settings) | doom("standalone", point, visit)
        self.process = await start_service(MODULE, environment)
        await self.ready(self.url, self.process)

    async def dies(self) -> None:
        """Wait until it has killed itself."""
        assert self.process is not None
        async with asyncio.timeout(PATIENCE):
            assert await self.process.wait() == -signal.SIGKILL

    async def kill(self) -> None:
        """End it as a power failure would."""
        assert self.process is not None
        self.process.kill()
        await self.process.wait()

    async def stop(self) -> int:
        """End it as Ctrl-C does; return its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()


@asynccontextmanager
async def a_standalone(folder: Path) -> AsyncIterator[Standalone]:
    """Give a standalone that is not started yet, and end it whatever happens."""
    timeout = aiohttp.ClientTimeout(total=PATIENCE)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        standalone = Standalone(folder, session)
        try:
            yield standalone
        finally:
            if standalone.process is not None and standalone.process.returncode is None:
                await standalone.kill()
