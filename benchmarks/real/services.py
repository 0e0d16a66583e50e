"""The services that are measured, each in a process of its own, as it is deployed."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import aiohttp
import msgspec

from benchmarks.load import Load, drive
from benchmarks.real.ground import Ground
from tools.testbed.ports import free_ports

_PATIENCE = 60.0

# Launching that does not matter, and launching that nothing holds up.
_HARDLY = {
    "S3_BUFFER__BUFFER_CONFIG__RATE_LIMIT_ELEMENTS_PER_SECOND": "0.001",
    "S3_BUFFER__BUFFER_CONFIG__RATE_LIMIT_ELEMENTS_BURST": "1",
}
_FREELY = {
    "S3_BUFFER__BUFFER_CONFIG__RATE_LIMIT_ELEMENTS_PER_SECOND": "1000000",
    "S3_BUFFER__BUFFER_CONFIG__RATE_LIMIT_ELEMENTS_BURST": "1000000",
}
_ROOM = {"S3_BUFFER__BUFFER_CONFIG__QUEUE_LIMIT": "10000000"}


class Service:
    """A service that runs."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, port: int) -> None:
        self.name = name
        self.pid = process.pid
        self._process = process
        self._port = port

    async def load(self, requests: Iterator[bytes], clients: int) -> Load:
        """Send all of some requests, each of which must be accepted."""
        load = await drive(self._port, requests, clients, _PATIENCE)
        if set(load.statuses) != {202}:
            raise RuntimeError(f"{self.name} answered {load.statuses}")
        return load

    async def launch(self, runs: int) -> Load:
        """Open the gate before the cluster for so many runs; return when they are RUNNING."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{runs}\n".encode())
        async with asyncio.timeout(_PATIENCE):
            line = await process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended early; see above")
        return msgspec.json.decode(line, type=Load)

    async def ready(self) -> None:
        """Wait until it says that it is."""
        async with asyncio.timeout(_PATIENCE), aiohttp.ClientSession() as session:
            while not await self._is_ready(session):
                if self._process.returncode is not None:
                    raise RuntimeError(f"{self.name} did not start; see above")
                await asyncio.sleep(0.05)

    async def _is_ready(self, session: aiohttp.ClientSession) -> bool:
        try:
            async with session.get(f"http://127.0.0.1:{self._port}/readyz") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False


@asynccontextmanager
async def accepting_scheduler(ground: Ground, **settings: str) -> AsyncIterator[Service]:
    """Run a scheduler that launches hardly anything."""
    own = {**_HARDLY, **_ROOM, "HOST_NAME": "bench-accepting", **settings}
    async with _service("scheduler", "nexus_scheduler", ground, own) as service:
        yield service


@asynccontextmanager
async def gated_scheduler(ground: Ground, **settings: str) -> AsyncIterator[Service]:
    """Run a scheduler that launches when it is told to, as fast as it can."""
    own = {**_FREELY, **_ROOM, "HOST_NAME": "bench-launching", **settings}
    async with _service("scheduler", "benchmarks.real.gated_scheduler", ground, own) as service:
        yield service


@asynccontextmanager
async def receiver(ground: Ground, **settings: str) -> AsyncIterator[Service]:
    """Run a receiver."""
    async with _service("receiver", "nexus_receiver", ground, settings) as service:
        yield service


@asynccontextmanager
async def _service(
    name: str, module: str, ground: Ground, settings: dict[str, str]
) -> AsyncIterator[Service]:
    (port,) = free_ports(1)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module),
        env=ground.environment(LISTEN__HOST="127.0.0.1", LISTEN__PORT=str(port), **settings),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        # A line holds the times of all launches of a turn.
        limit=16 * 1024**2,
    )
    try:
        service = Service(name, process, port)
        await service.ready()
        yield service
    finally:
        assert process.stdin is not None
        # A thread of the gated scheduler waits for input, and the process for it.
        process.stdin.close()
        if process.returncode is None:
            process.terminate()
        await process.wait()
