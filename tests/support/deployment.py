"""Scheduler, receiver and supervisor as they are deployed: a process each, on real servers."""

import asyncio
import signal
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from support.caller import (
    PATIENCE,
    Caller,
    inherited_environment,
    own_host,
    own_ports,
    start_service,
)
from tools.testbed.description import (
    CassandraDescription,
    Description,
    KubernetesDescription,
    S3Description,
)
from tools.testbed.nexus import settings_for

SERVICES = ("SCHEDULER", "RECEIVER", "SUPERVISOR")


@dataclass(frozen=True, kw_only=True)
class Servers:
    """What a deployment stands on."""

    cassandra: CassandraDescription
    s3: S3Description
    kubernetes: KubernetesDescription
    keyspace: str

    def settings(self) -> dict[str, str]:
        """Return the settings that lead there."""
        description = Description(cassandra=self.cassandra, s3=self.s3, kubernetes=self.kubernetes)
        return settings_for(description, self.keyspace)


class Deployment(Caller):
    """Three services that can each be killed and started again."""

    def __init__(self, servers: Servers, session: aiohttp.ClientSession) -> None:
        host, ports = own_host(), own_ports()
        self.urls = {service: f"http://{host}:{port}" for service, port in ports.items()}
        super().__init__(self.urls["SCHEDULER"], session)
        self.servers = servers
        self.processes: dict[str, asyncio.subprocess.Process] = {}
        self._shared = {
            **servers.settings(),
            "NEXUS__LISTEN__HOST": host,
            "NEXUS__HOST_NAME": f"nexus-{uuid.uuid4()}",
            "NEXUS__SCHEDULER_URL": self.urls["SCHEDULER"],
            "NEXUS__RECEIVER_URL": self.urls["RECEIVER"],
            "NEXUS__LOG_LEVEL": "warning",
        }
        self._ports = ports

    def environment(self, service: str, settings: Mapping[str, str]) -> dict[str, str]:
        """Return the environment that a service is started in."""
        port = {"NEXUS__LISTEN__PORT": str(self._ports[service])}
        return {**inherited_environment(), **self._shared, **port, **settings}

    async def start(self, *services: str, **settings: str) -> None:
        """Start some services, or all, and wait until they are ready."""
        for service in services or SERVICES:
            self.processes[service] = await start_service(
                f"nexus_{service.lower()}", self.environment(service, settings)
            )
        for service in services or SERVICES:
            await self.ready(self.urls[service], self.processes[service])

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

    async def learns(self, algorithm: str) -> str:
        """Wait until the scheduler knows an algorithm that was just published; return its name."""
        url = f"{self.url}/algorithm/run/{algorithm}?dryRun=true"
        async with asyncio.timeout(PATIENCE):
            while True:
                async with self._session.post(url, json={"algorithmParameters": {}}) as answer:
                    if answer.status == 202:
                        return algorithm
                await asyncio.sleep(0.05)  # its watch tells nobody outside

    async def complete(self, algorithm: str, request_id: str, **report: str) -> None:
        """Report as the algorithm of a run would."""
        url = f"{self.urls['RECEIVER']}/algorithm/v1/complete/{algorithm}/requests/{request_id}"
        async with self._session.post(url, json=report) as answer:
            assert answer.status == 202, await answer.text()


@asynccontextmanager
async def a_deployment(servers: Servers) -> AsyncIterator[Deployment]:
    """Give a deployment that is not started yet, and end it whatever happens."""
    timeout = aiohttp.ClientTimeout(total=PATIENCE)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        deployment = Deployment(servers, session)
        try:
            yield deployment
        finally:
            for service, process in deployment.processes.items():
                if process.returncode is None:
                    await deployment.kill(service)
