"""Services as they are deployed: a process each, on stores that the settings name."""

import asyncio
import signal
import uuid
from collections.abc import AsyncIterator, Mapping
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
from support.release import THIS_RELEASE, InstalledRelease


class Apart(Caller):
    """Services that can each be killed, kill themselves, and be started again."""

    def __init__(self, settings: Mapping[str, str], session: aiohttp.ClientSession) -> None:
        host, ports = own_host(), own_ports()
        self.urls = {service: f"http://{host}:{port}" for service, port in ports.items()}
        super().__init__(self.urls["SCHEDULER"], session)
        self.processes: dict[str, asyncio.subprocess.Process] = {}
        self.releases: dict[str, InstalledRelease] = {}
        """Which release of a service is started, where it is not this one's."""
        self._ports = ports
        self._shared = {
            "NEXUS__LISTEN__HOST": host,
            "NEXUS__HOST_NAME": f"nexus-{uuid.uuid4()}",
            "NEXUS__SCHEDULER_URL": self.urls["SCHEDULER"],
            "NEXUS__RECEIVER_URL": self.urls["RECEIVER"],
            "NEXUS__LOG_LEVEL": "warning",
            **settings,
        }

    def environment(self, service: str, settings: Mapping[str, str]) -> dict[str, str]:
        """Return the environment that a service is started in."""
        port = {"NEXUS__LISTEN__PORT": str(self._ports[service])}
        return {**inherited_environment(), **self._shared, **port, **settings}

    def release_of(self, service: str) -> InstalledRelease:
        """Return the release of a service that is started."""
        return self.releases.get(service, THIS_RELEASE)

    async def start(self, *services: str, **settings: str) -> None:
        """Start some services and wait until they are ready."""
        for service in services:
            self.processes[service] = await start_service(
                f"nexus_{service.lower()}",
                self.environment(service, settings),
                self.release_of(service).python,
            )
        for service in services:
            await self.ready(self.urls[service], self.processes[service])

    async def start_doomed(
        self, service: str, point: str, visit: int = 1, /, **settings: str
    ) -> None:
        """Start one that kills itself when it gets to a fail point for the n-th time."""
        self.processes[service] = await start_service(
            MODULE, self.environment(service, settings) | doom(service.lower(), point, visit)
        )

    async def comes_up(self, service: str) -> None:
        """Wait until a service is ready."""
        await self.ready(self.urls[service], self.processes[service])

    async def dies(self, service: str) -> None:
        """Wait until a service has killed itself."""
        async with asyncio.timeout(PATIENCE):
            assert await self.processes[service].wait() == -signal.SIGKILL

    async def kill(self, service: str) -> None:
        """End a service as a power failure would."""
        self.processes[service].kill()
        await self.processes[service].wait()

    async def stop(self) -> dict[str, int]:
        """Tell all that run to end; return their exit codes."""
        running = {
            name: process for name, process in self.processes.items() if process.returncode is None
        }
        for process in running.values():
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            return {name: await process.wait() for name, process in running.items()}

    async def end(self) -> None:
        """Kill all that still run."""
        for service, process in self.processes.items():
            if process.returncode is None:
                await self.kill(service)

    async def complete(self, algorithm: str, request_id: str, **report: str) -> None:
        """Report as the algorithm of a run would: again, while the receiver can't take it."""
        url = f"{self.urls['RECEIVER']}/algorithm/v1/complete/{algorithm}/requests/{request_id}"
        async with asyncio.timeout(PATIENCE):
            while True:
                async with self._session.post(url, json=report) as answer:
                    if answer.status == 202:
                        return
                    assert answer.status == 503, await answer.text()
                await asyncio.sleep(0.1)  # what an algorithm does between two tries


@asynccontextmanager
async def on_a_folder(folder: Path, **settings: str) -> AsyncIterator[Apart]:
    """Give services on embedded stores, none of them started yet; end them whatever happens.

    Those that have a cluster of processes can't share it: of scheduler and supervisor, one runs.
    """
    timeout = aiohttp.ClientTimeout(total=PATIENCE)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        services = Apart({"NEXUS__DATA_PATH": str(folder / "data"), **settings}, session)
        try:
            yield services
        finally:
            await services.end()
