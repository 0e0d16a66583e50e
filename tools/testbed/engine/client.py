"""A client of a Docker engine that can build with BuildKit."""

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tools.testbed.builds import run
from tools.testbed.description import read_description
from tools.testbed.errors import TestbedError
from tools.testbed.places import Places

# An engine that is busy with builds answers slowly; one that is not there refuses at once.
_ASKED_SECONDS = 30.0

# From here on the client builds by a plug-in, buildx, which may not be there.
_NEEDS_BUILDX = 23


class Docker(NamedTuple):
    """A client, and what it needs to be told."""

    program: str
    builds: tuple[str, ...]
    """The arguments that build an image."""
    environment: Mapping[str, str]
    """Beside this process' own."""

    async def __call__(self, *arguments: str | Path) -> str:
        """Return what it prints.

        Raises:
            TestbedError: it failed; says what it complains of.
        """
        process = await asyncio.create_subprocess_exec(
            self.program,
            *arguments,
            env={**os.environ, **self.environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        printed, complaint = await process.communicate()
        if process.returncode != 0:
            said = complaint.decode().strip()
            raise TestbedError(f"docker {' '.join(map(str, arguments[:2]))} …: {said}")
        return printed.decode().strip()

    async def build(self, *arguments: str | Path, folder: Path, log: Path) -> None:
        """Build an image of a folder, with the output in a log.

        Raises:
            TestbedError: it failed; shows the end of the log.
        """
        command = [self.program, *self.builds, *map(str, arguments)]
        await run(command, log, folder, self.environment)

    async def has(self, image: str) -> bool:
        """Tell whether the engine has an image."""
        return bool(await self("image", "ls", "--quiet", image))


def engine(places: Places) -> Docker:
    """Return a client of the testbed's own engine, or else of the one that answers here.

    Raises:
        TestbedError: as `client` does.
    """
    own = read_description(places).engine
    return client(own.host, own.client) if own else client()


def engine_of_others(places: Places) -> str:
    """Return where an engine answers that is not the testbed's own; empty where none does."""
    if read_description(places).engine is not None:
        return ""
    return _named() if answers() else ""


def answers(host: str = "", program: str = "") -> bool:
    """Tell whether an engine answers; the arguments are those of `client`."""
    environment = {"DOCKER_HOST": host} if host else {}
    return any(_said(one, environment, "{{.Server.Version}}") for one in _programs(program))


def client(host: str = "", program: str = "") -> Docker:
    """Return a client of an engine that answers.

    Args:
        host: The engine's address; empty: what DOCKER_HOST says, or the default.
        program: The client; empty: the first one on the path that can build.

    Raises:
        TestbedError: No engine answers, or no client can build; says which.
    """
    environment = {"DOCKER_HOST": host} if host else {}
    programs = list(_programs(program))
    if not programs:
        raise TestbedError("there is no docker on the path")
    if not answers(host, program):
        raise TestbedError(f"no Docker engine answers at {_named(host)}")
    for one in programs:
        if docker := _building(one, environment):
            return docker
    raise TestbedError("no docker on the path can build: one from 23 on needs the plug-in buildx")


def _named(host: str = "") -> str:
    return host or os.environ.get("DOCKER_HOST") or "the default socket"


def _programs(program: str = "") -> Iterator[str]:
    """Go through all clients: the first one on the path may be one that can't build."""
    if program:
        yield program
        return
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        if found := shutil.which("docker", path=folder):
            yield found


def _building(program: str, environment: Mapping[str, str]) -> Docker | None:
    if _asked(program, environment, "buildx", "version"):
        return Docker(program, ("buildx", "build", "--load"), environment)
    version = re.match(r"\d+", _said(program, environment, "{{.Client.Version}}"))
    if version is None or int(version[0]) >= _NEEDS_BUILDX:
        return None
    return Docker(program, ("build",), {**environment, "DOCKER_BUILDKIT": "1"})


def _said(program: str, environment: Mapping[str, str], form: str) -> str:
    return _asked(program, environment, "version", "--format", form)


def _asked(program: str, environment: Mapping[str, str], *arguments: str) -> str:
    """Return what a client answers; empty when it fails."""
    command: Sequence[str] = (program, *arguments)
    try:
        told = subprocess.run(  # noqa: S603 - a client of this machine
            command,
            capture_output=True,
            text=True,
            timeout=_ASKED_SECONDS,
            check=False,
            env={**os.environ, **environment},
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return told.stdout.strip() if told.returncode == 0 else ""
