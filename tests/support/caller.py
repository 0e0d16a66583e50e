"""Starting services as processes, and calling their API as a client does."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import pytest

REPOSITORY = Path(__file__).parents[2]

# Generous: it is only ever waited for in full by a test that fails.
PATIENCE = 60.0

_numbers = count()


def own_host() -> str:
    """Return a loopback address that nobody else uses: tests run side by side.

    A service that is started again needs its old port, and the system would hand free ports of a
    shared address to others in the meantime.
    """
    pid = os.getpid()
    return f"127.{64 + pid // 65536 % 64}.{pid // 256 % 256}.{pid % 254 + 1}"


def own_ports() -> dict[str, int]:
    """Return ports of `own_host` that no other test of this process was given, by service."""
    base = 20_000 + 3 * next(_numbers)
    return {"SCHEDULER": base, "RECEIVER": base + 1, "SUPERVISOR": base + 2}


def inherited_environment() -> dict[str, str]:
    """Return the environment without the settings that somebody may have in it."""
    return {name: value for name, value in os.environ.items() if not name.startswith("NEXUS")}


async def start_service(
    module: str, environment: dict[str, str], python: Path = Path(sys.executable)
) -> asyncio.subprocess.Process:
    """Start one of the deployables as a process of its own, by an interpreter that has it."""
    return await asyncio.create_subprocess_exec(
        python,
        "-m",
        module,
        cwd=REPOSITORY,
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
    )


@contextlib.contextmanager
def no_answer() -> Iterator[None]:
    """Expect of a call that its server dies over it."""
    with pytest.raises((aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)):
        yield


class Caller:
    """A client of a scheduler."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self._session = session

    async def ready(self, url: str, process: asyncio.subprocess.Process) -> None:
        """Wait until a service says that it is ready."""
        async with asyncio.timeout(PATIENCE):
            while not await self._is_ready(url):
                assert process.returncode is None, "the service ended instead of starting"
                await asyncio.sleep(0.05)  # a process tells nobody when it is ready

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

    async def learns(self, algorithm: str) -> str:
        """Wait until the scheduler knows an algorithm that was just published; return its name."""
        url = f"{self.url}/algorithm/run/{algorithm}?dryRun=true"
        async with asyncio.timeout(PATIENCE):
            while True:
                async with self._session.post(url, json={"algorithmParameters": {}}) as answer:
                    if answer.status == 202:
                        return algorithm
                await asyncio.sleep(0.05)  # its watch tells nobody outside

    async def cancel(self, algorithm: str, request_id: str, policy: str = "Background") -> None:
        """Cancel a run; by default with all below it."""
        url = f"{self.url}/algorithm/cancel/{algorithm}/requests/{request_id}"
        body = {"initiator": "Ada", "reason": "a test", "cancellationPolicy": policy}
        async with self._session.post(url, json=body) as answer:
            assert answer.status == 200, await answer.text()

    async def retag(self, algorithm: str, request_id: str, tag: str) -> None:
        """Give a run another tag."""
        url = f"{self.url}/algorithm/v1/metadata/tags/{algorithm}/requests/{request_id}"
        async with self._session.post(url, json={"newTag": tag}) as answer:
            assert answer.status == 200, await answer.text()

    async def metadata(self, algorithm: str, request_id: str) -> dict[str, Any]:
        """Return all that is recorded of a run."""
        found: dict[str, Any] = await self.get(
            f"/algorithm/v1/metadata/{algorithm}/requests/{request_id}"
        )
        return found

    async def reaches(self, algorithm: str, request_id: str, stage: str) -> dict[str, Any]:
        """Wait until a run is recorded in a stage; return what is recorded."""
        async with asyncio.timeout(PATIENCE):
            while True:
                found = await self.metadata(algorithm, request_id)
                if found["lifecycle_stage"] == stage:
                    return found
                await asyncio.sleep(0.05)  # the store tells nobody

    async def finished(
        self, algorithm: str, request_id: str, patience: float = PATIENCE, wait: str = "30s"
    ) -> dict[str, Any]:
        """Wait for a run to finish, `wait` at a time; return its result."""
        path = f"/algorithm/results/{algorithm}/requests/{request_id}?wait={wait}"
        async with asyncio.timeout(patience):
            while True:
                result: dict[str, Any] = await self.get(path)
                if result["status"] not in {"NEW", "BUFFERED", "RUNNING"}:
                    return result

    async def fetch(self, url: str) -> Any:
        """Return the JSON that a result's URL leads to."""
        async with self._session.get(url) as answer:
            assert answer.status == 200
            return json.loads(await answer.read())

    async def log(self, algorithm: str, request_id: str) -> tuple[str, str]:
        """Return where the log of a run comes from, `live` or `kept`, and what it says."""
        async with self._session.get(self._log_of(algorithm, request_id)) as answer:
            text = await answer.text()
            assert answer.status == 200, text
            return answer.headers["Nexus-Log-Source"], text

    async def has_kept_log(self, algorithm: str, request_id: str) -> str:
        """Wait until the log of a run is what was kept of it; return it."""
        async with asyncio.timeout(PATIENCE):
            while True:
                async with self._session.get(self._log_of(algorithm, request_id)) as answer:
                    if answer.headers.get("Nexus-Log-Source") == "kept":
                        return await answer.text()
                await asyncio.sleep(0.05)  # a supervisor tells nobody that it has kept a log

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

    def _log_of(self, algorithm: str, request_id: str) -> str:
        return f"{self.url}/algorithm/logs/{algorithm}/requests/{request_id}"

    async def _is_ready(self, url: str) -> bool:
        try:
            async with self._session.get(f"{url}/readyz") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False
