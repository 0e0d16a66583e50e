"""The published client, in an environment of its own, driven from here."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from support.caller import PATIENCE
from support.deployment import Deployment
from tools.testbed.builds import built, key_of, run
from tools.testbed.places import Places

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "requirements.txt"


class PublishedClient:
    """The client as a program that makes one call at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def scheduler(self, method: str, **arguments: Any) -> Any:
        """Call the client of the scheduler; return its result, or the error that it raised."""
        return await self._call("scheduler", method, arguments)

    async def receiver(self, method: str, **arguments: Any) -> Any:
        return await self._call("receiver", method, arguments)

    async def _call(self, client: str, method: str, arguments: dict[str, Any]) -> Any:
        call = {"client": client, "method": method, "arguments": arguments}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(call).encode() + b"\n")
        async with asyncio.timeout(PATIENCE):
            answer = json.loads(await self._process.stdout.readline())
        return answer["result"] if "result" in answer else RefusedError(answer)


class RefusedError(Exception):
    """What the client raised, by the name of its class."""

    def __init__(self, answer: dict[str, str]) -> None:
        super().__init__(answer["message"])
        self.kind = answer["error"]


@pytest.fixture(scope="session")
def client_python() -> Path:
    """Return the interpreter of an environment that holds the client; built once, and kept."""
    places = Places.from_environment()

    async def build(folder: Path) -> None:
        log, uv = places.cache / "published-client.log", Path(sys.executable).with_name("uv")
        # Relocatable, since the folder is renamed once it is whole.
        venv = [
            str(uv),
            "venv",
            "--relocatable",
            f"--python={sys.executable}",
            str(folder / "venv"),
        ]
        await run(venv, log, folder)
        python = str(folder / "venv/bin/python")
        install = [str(uv), "pip", "install", f"--python={python}", "--no-deps"]
        await run([*install, "--requirements", str(REQUIREMENTS)], log, folder)

    made = built(places.cache, "published-client", key_of(REQUIREMENTS, sys.version), build, print)
    return asyncio.run(made) / "venv/bin/python"


@pytest.fixture
async def client(client_python: Path, deployment: Deployment) -> AsyncIterator[PublishedClient]:
    urls = deployment.urls
    process = await asyncio.create_subprocess_exec(
        client_python,
        HERE / "remote.py",
        urls["SCHEDULER"],
        urls["RECEIVER"],
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    yield PublishedClient(process)
    process.kill()
    await process.wait()
