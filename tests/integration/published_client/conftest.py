"""The published client, in an environment of its own, driven from here."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from support.deployment import Deployment
from support.published_client import PublishedClient
from tools.testbed.builds import built, key_of, run
from tools.testbed.places import Places

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "requirements.txt"


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


@pytest_asyncio.fixture(scope="module", loop_scope="module")
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
