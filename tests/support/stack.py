"""The stack of deploy/compose, started under a name of its own."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from support.caller import REPOSITORY, inherited_environment
from tools.testbed.engine.client import Docker
from tools.testbed.kubernetes.node.image import EXAMPLES_IMAGE
from tools.testbed.ports import LOOPBACK, free_ports

FOLDER = REPOSITORY / "deploy/compose"
PORTS = (
    "NEXUS_SCHEDULER_PORT",
    "NEXUS_RECEIVER_PORT",
    "NEXUS_SUPERVISOR_PORT",
    "CASSANDRA_PORT",
    "S3_PORT",
    "PROMETHEUS_PORT",
    "GRAFANA_PORT",
)
SERVICES = ("scheduler", "receiver", "supervisor", "standalone")


class StackError(Exception):
    """What a command of the stack complains of."""


@dataclass(frozen=True)
class Stack:
    """A project of compose, with ports and a network that no other has."""

    docker: Docker
    compose: Path
    """The tool."""
    environment: Mapping[str, str]
    files: Sequence[Path] = (FOLDER / "compose.yaml",)

    @property
    def project(self) -> str:
        """Its name, which all that it makes begins with."""
        return self.environment["COMPOSE_PROJECT_NAME"]

    @property
    def url(self) -> str:
        """Where clients reach its scheduler."""
        return self.url_of("NEXUS_SCHEDULER_PORT")

    def url_of(self, port: str) -> str:
        """Return where a port is published, given the variable that says which."""
        return f"http://{LOOPBACK}:{self.environment[port]}"

    async def __call__(self, *arguments: str) -> str:
        """Run the tool; return what it prints."""
        files = [f"--file={file}" for file in self.files]
        return await self._run(str(self.compose), *files, *arguments)

    async def make(self, target: str, *variables: str) -> str:
        """Run `make` as a person does; return what it prints."""
        tool = f"COMPOSE={self.compose}"
        return await self._run("make", "--no-print-directory", target, tool, *variables)

    async def containers(self) -> dict[str, dict[str, Any]]:
        """Return what the engine knows of its containers, by service."""
        label = f"--filter=label=com.docker.compose.project={self.project}"
        ids = (await self.docker("ps", "--all", "--quiet", label)).split()
        if not ids:
            return {}
        found: list[dict[str, Any]] = msgspec.json.decode(await self.docker("inspect", *ids))
        return {one["Config"]["Labels"]["com.docker.compose.service"]: one for one in found}

    async def states(self) -> dict[str, str]:
        """Return how its containers are, by service: `healthy`, `running`, `exited 0` …"""
        return {name: _state(one["State"]) for name, one in (await self.containers()).items()}

    async def left_behind(self) -> list[str]:
        """Return the names of all that is there of it: containers, volumes, networks."""
        label = f"--filter=label=com.docker.compose.project={self.project}"
        names = [
            await self.docker("ps", "--all", "--format={{.Names}}", label),
            await self.docker("volume", "ls", "--format={{.Name}}", label),
            await self.docker("network", "ls", "--format={{.Name}}", label),
        ]
        return " ".join(names).split()

    async def _run(self, *command: str) -> str:
        # First on the path is the client that suits the engine: others may be unable to build.
        path = f"{Path(self.docker.program).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=REPOSITORY,
            env={
                **inherited_environment(),
                **self.docker.environment,
                **self.environment,
                "PATH": path,
            },
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        printed, _ = await process.communicate()
        if process.returncode != 0:
            raise StackError(printed.decode())
        return printed.decode()


def _state(state: Mapping[str, Any]) -> str:
    if state["Status"] == "exited":
        return f"exited {state['ExitCode']}"
    return str(state.get("Health", {}).get("Status") or state["Status"])


@asynccontextmanager
async def a_stack(
    docker: Docker, compose: Path, files: Sequence[Path] = (), **variables: str
) -> AsyncIterator[Stack]:
    """Give a stack that is not started yet; at the end nothing of it is left, nor of its images."""
    name = f"nexus-test-{secrets.token_hex(4)}"
    ports = zip(PORTS, map(str, free_ports(len(PORTS))), strict=True)
    environment = {
        "COMPOSE_PROJECT_NAME": name,
        # Of its images: the engine may be building others' at the same time.
        "TAG": name,
        "NEXUS_TAG": name,
        # Beside the one of a person, and of who else tests here.
        "NEXUS_NETWORK": f"10.213.{8 + os.getpid() % 240}",
        **dict(ports),
        **variables,
    }
    stack = Stack(docker, compose, environment, (FOLDER / "compose.yaml", *files))
    try:
        yield stack
    finally:
        await stack.make("compose-clean")
        images = [*(f"nexus-{service}:{name}" for service in SERVICES), EXAMPLES_IMAGE]
        if built := [image for image in images if await docker.has(image)]:
            await docker("rmi", "--force", *built)
