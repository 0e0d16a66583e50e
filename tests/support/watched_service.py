"""A service as a process of its own, whose log and readiness a test reads."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from support.caller import PATIENCE, REPOSITORY, inherited_environment, own_host, own_ports


class WatchedService:
    """A process that may refuse to start, or start without all that it needs."""

    def __init__(self, process: asyncio.subprocess.Process, url: str, log: Path) -> None:
        self.process = process
        self.url = url
        self._log = log

    async def refusal(self) -> str:
        """Wait until it has ended by itself, as one that can't start; return all it printed."""
        async with asyncio.timeout(PATIENCE):
            assert await self.process.wait() == 2
        return self._log.read_text()

    async def troubles(self, session: aiohttp.ClientSession) -> dict[str, str]:
        """Return what `/readyz` says of each part that is not ready; nothing listens yet: of none.

        None of them ends it.
        """
        assert self.process.returncode is None, self._log.read_text()
        try:
            async with session.get(f"{self.url}/readyz") as answer:
                parts = (await answer.json())["parts"]
        except aiohttp.ClientConnectorError:
            return {"service": "does not listen yet"}
        return {name: part["reason"] for name, part in parts.items() if not part["ready"]}

    async def comes_to_say(
        self, expected: Mapping[str, Sequence[str]], session: aiohttp.ClientSession
    ) -> dict[str, str]:
        """Wait until `/readyz` says these words of these parts, and all others are ready."""
        troubles: dict[str, str] = {}
        try:
            async with asyncio.timeout(PATIENCE):
                while not _says(troubles := await self.troubles(session), expected):  # noqa: ASYNC110 - a process tells nobody when it has found out
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"expected {expected}, found {troubles}") from None
        return troubles

    def log(self) -> list[dict[str, Any]]:
        """Return the lines of its log so far; each is JSON."""
        return [json.loads(line) for line in self._log.read_text().splitlines()]

    async def stop(self) -> int:
        """Tell it to end; return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()


def _says(troubles: Mapping[str, str], expected: Mapping[str, Sequence[str]]) -> bool:
    return troubles.keys() == expected.keys() and all(
        word in troubles[part] for part, words in expected.items() for word in words
    )


@asynccontextmanager
async def a_watched_service(
    name: str,
    settings: Mapping[str, str],
    folder: Path,
    *before: str,
    python: Path = Path(sys.executable),
    module: str = "",
) -> AsyncIterator[WatchedService]:
    """Start `nexus_<name>`; what it prints goes to a file in the folder. Ends it in any case.

    `before` is a command that is to run it, such as `nice`; `python` one that has the service, and
    `module` another way to start it.
    """
    host, port = own_host(), own_ports()["SCHEDULER"]
    log = folder / f"{name}.log"
    environment = {
        **inherited_environment(),
        "NEXUS__DATA_PATH": str(folder / "data"),
        "NEXUS__HOST_NAME": f"{name}-{host}-{port}",
        **settings,
        "NEXUS__LISTEN__HOST": host,
        "NEXUS__LISTEN__PORT": str(port),
    }
    with log.open("wb") as printed:
        process = await asyncio.create_subprocess_exec(
            *before,
            python,
            "-m",
            module or f"nexus_{name}",
            cwd=REPOSITORY,
            env=environment,
            stdout=printed,
            stderr=printed,
        )
    try:
        yield WatchedService(process, f"http://{host}:{port}", log)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
