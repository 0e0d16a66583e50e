"""Standalone as people start it: a process of its own, on an address of its own."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp

from support.fail_points import POINT_VARIABLE, VISIT_VARIABLE

REPOSITORY = Path(__file__).parents[2]

# Generous: it is only ever waited for in full by a test that fails.
PATIENCE = 60.0

_numbers = count(1)


def own_host() -> str:
    """Return a loopback address that nobody else uses: tests run side by side.

    A standalone that is started again needs its old ports, and the system would hand free ports of
    a shared address to others in the meantime.
    """
    pid = os.getpid()
    return f"127.{64 + pid // 65536 % 64}.{pid // 256 % 256}.{pid % 254 + 1}"


async def start_service(module: str, environment: dict[str, str]) -> asyncio.subprocess.Process:
    """Start one of the deployables as a process of its own."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        cwd=REPOSITORY,
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
    )


class Standalone:
    """A standalone that can be killed and started again on the same data."""

    def __init__(self, folder: Path, session: aiohttp.ClientSession) -> None:
        base = 20_000 + 10 * next(_numbers)
        self.folder = folder
        self.host = own_host()
        self.ports = {"SCHEDULER": base, "RECEIVER": base + 1, "SUPERVISOR": base + 2}
        self.url = f"http://{self.host}:{base}"
        self.process: asyncio.subprocess.Process | None = None
        self._session = session

    def environment(self, **settings: str) -> dict[str, str]:
        """Return the environment that it is started in."""
        own = {"NEXUS__DATA_PATH": str(self.folder / "data"), "NEXUS__LOG_LEVEL": "warning"}
        for service, port in self.ports.items():
            own[f"NEXUS__{service}__LISTEN__HOST"] = self.host
            own[f"NEXUS__{service}__LISTEN__PORT"] = str(port)
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("NEXUS")}
        return {**inherited, **own, **settings}

    async def start(self, **settings: str) -> None:
        """Start it, and wait until it is ready."""
        self.process = await start_service("nexus_standalone", self.environment(**settings))
        await self.ready(self.url, self.process)

    async def start_doomed(self, point: str, visit: int = 1, /, **settings: str) -> None:
        """Start one that kills itself when it gets to one of the fail points for the n-th time."""
        environment = self.environment(**settings) | {
            POINT_VARIABLE: point,
            VISIT_VARIABLE: str(visit),
            "PYTHONPATH": str(REPOSITORY / "tests"),
        }
        self.process = await start_service("support.fail_points", environment)
        await self.ready(self.url, self.process)

    async def dies(self) -> None:
        """Wait until it has killed itself."""
        assert self.process is not None
        async with asyncio.timeout(PATIENCE):
            assert await self.process.wait() == -signal.SIGKILL

    async def ready(self, url: str, process: asyncio.subprocess.Process) -> None:
        """Wait until a service says that it is ready."""
        async with asyncio.timeout(PATIENCE):
            while not await self._is_ready(url):
                assert process.returncode is None, "the service ended instead of starting"
                await asyncio.sleep(0.05)  # a process tells nobody when it is ready

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

    async def get(self, path: str) -> Any:
        """Return the JSON at a path."""
        async with self._session.get(self.url + path) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def submit(self, algorithm: str, body: dict[str, Any], key: str = "") -> str:
        """Submit a run, under an idempotency key if there is one; return its id."""
        url = f"{self.url}/algorithm/run/{algorithm}"
        headers = {"Idempotency-Key": key} if key else None
        async with self._session.post(url, json=body, headers=headers) as answer:
            assert answer.status == 202, await answer.text()
            return str((await answer.json())["requestId"])

    async def cancel(self, algorithm: str, request_id: str) -> None:
        """Cancel a run, with all below it."""
        url = f"{self.url}/algorithm/cancel/{algorithm}/requests/{request_id}"
        body = {"initiator": "Ada", "reason": "a test"}
        async with self._session.post(url, json=body) as answer:
            assert answer.status == 200, await answer.text()

    async def finished(self, algorithm: str, request_id: str) -> dict[str, Any]:
        """Wait for a run to finish; return its result."""
        path = f"/algorithm/results/{algorithm}/requests/{request_id}?wait=30s"
        async with asyncio.timeout(PATIENCE):
            while True:
                result: dict[str, Any] = await self.get(path)
                if result["status"] not in {"NEW", "BUFFERED", "RUNNING"}:
                    return result

    async def fetch(self, url: str) -> Any:
        """Return the JSON that a result's URL leads to."""
        async with self._session.get(url) as answer:
            assert answer.status == 200
            return json.loads(await answer.read())

    async def runs(self) -> list[dict[str, Any]]:
        """Return all runs, page by page."""
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = await self.get(f"/algorithm/runs?limit=1000{cursor}")
            found += page["runs"]
            if "nextCursor" not in page:
                return found
            cursor = f"&cursor={page['nextCursor']}"

    async def _is_ready(self, url: str) -> bool:
        try:
            async with self._session.get(f"{url}/readyz") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False


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
