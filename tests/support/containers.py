"""Containers of the services' images, on a real Docker engine."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import msgspec
import psutil

from support.caller import PATIENCE
from support.waiting import until_so
from tools.images.building import image_of
from tools.testbed.engine.client import Docker

HARDENED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges")
"""As the charts have it, too: nothing but its volumes can be written to, and no right is left."""

PORTS = {"scheduler": 8080, "receiver": 8081, "supervisor": 8082, "standalone": 8080}

_PYTHON = "/usr/bin/python3"


class Printed(NamedTuple):
    """What a container wrote."""

    output: str
    errors: str


@dataclass(frozen=True)
class Container:
    """One that was started."""

    docker: Docker
    id: str

    async def state(self) -> dict[str, Any]:
        """Return what the engine knows of it."""
        said = await self.docker("inspect", "--format={{json .State}}", self.id)
        state: dict[str, Any] = msgspec.json.decode(said)
        return state

    async def url(self, port: int) -> str:
        """Return where a port of it is published."""
        return f"http://{(await self.docker('port', self.id, str(port))).splitlines()[0]}"

    async def printed(self) -> Printed:
        """Return what it wrote so far."""
        process = await asyncio.create_subprocess_exec(
            self.docker.program,
            "logs",
            self.id,
            env={**os.environ, **self.docker.environment},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
        return Printed(output.decode(), errors.decode())

    async def says(self, words: str) -> None:
        """Wait until it has written something."""

        async def said() -> bool:
            return words in "".join(await self.printed())

        await until_so(said, PATIENCE)

    async def answers(
        self, session: aiohttp.ClientSession, port: int, path: str, status: int = 200
    ) -> str:
        """Wait until a path is answered with a status; return the answer."""
        url, last = await self.url(port) + path, "nothing"
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    try:
                        async with session.get(url) as answer:
                            last = f"{answer.status}: {await answer.text()}"
                            if answer.status == status:
                                return await answer.text()
                    except aiohttp.ClientError as error:
                        last = repr(error)
                    await asyncio.sleep(0.01)  # a container tells nobody when it serves
        except TimeoutError:
            state, printed = await self.state(), await self.printed()
            raise AssertionError(f"{path} was last answered {last}; {state}; {printed}") from None

    async def start(self) -> None:
        """Start it, for the first time or again."""
        await self.docker("start", self.id)

    async def hears(self) -> None:
        """Wait until its first process has started another: the kernel drops earlier signals."""

        async def has_two() -> bool:
            _, *processes = (await self.docker("top", self.id)).splitlines()
            return len(processes) > 1

        await until_so(has_two, PATIENCE)

    async def signal(self, name: str) -> None:
        """Send a signal to its first process."""
        await self.docker("kill", f"--signal={name}", self.id)

    async def ends(self) -> int:
        """Wait until it has ended; return its exit code."""
        async with asyncio.timeout(PATIENCE):
            return int(await self.docker("wait", self.id))

    async def stop(self) -> int:
        """End it as `docker stop` does, without the kill that follows; return its exit code."""
        await self.signal("SIGTERM")
        return await self.ends()


@dataclass(frozen=True)
class Containers:
    """Those of one test, which are gone at its end, with their volumes."""

    docker: Docker
    images: Mapping[str, str]
    network: str
    made: list[str] = field(default_factory=list)
    volumes: list[str] = field(default_factory=list)

    async def create(
        self, service: str, *options: str, command: tuple[str, ...] = (), port: str = "127.0.0.1::"
    ) -> Container:
        """Make a container that is not started; its service's port is published."""
        published = f"--publish={port}{PORTS[service]}"
        network = () if any(one.startswith("--network") for one in options) else (self.network,)
        created = await self.docker(
            "create",
            *(f"--network={one}" for one in network),
            *(() if not network else (published,)),
            *options,
            self.images[service],
            *command,
        )
        self.made.append(created)
        return Container(self.docker, created)

    async def start(self, service: str, *options: str, command: tuple[str, ...] = ()) -> Container:
        """Make a container and start it."""
        container = await self.create(service, *options, command=command)
        await container.start()
        return container

    async def python(self, script: str, *options: str, service: str = "standalone") -> str:
        """Run a script in a container of its own, to its end; return what it prints."""
        return await self.docker(
            *("run", "--rm", "--network=none", *options, f"--entrypoint={_PYTHON}"),
            *(self.images[service], "-c", script),
        )

    async def volume(self, *options: str) -> str:
        """Make a volume; return its name."""
        name = await self.docker("volume", "create", *options)
        self.volumes.append(name)
        return name


@asynccontextmanager
async def some_containers(
    docker: Docker, images: Mapping[str, str], network: str
) -> AsyncIterator[Containers]:
    """Give what makes containers; at its end they are gone."""
    containers = Containers(docker, images, network)
    try:
        yield containers
    finally:
        if containers.made:
            await docker("rm", "--force", "--volumes", *containers.made)
        if containers.volumes:
            await docker("volume", "rm", "--force", *containers.volumes)


def image_names(version: str) -> dict[str, str]:
    """Return the images that `make images` makes, by service."""
    return {service: image_of(service, version, os.environ) for service in PORTS}


class Start(NamedTuple):
    """How many seconds a start took."""

    alone: float
    """Without those for which the service waited for a processor that others had."""
    here: float


async def seconds_to_live(container: Container, session: aiohttp.ClientSession, port: int) -> Start:
    """Return how long a container that was just started took until it answered `/livez`."""
    await container.answers(session, port, "/livez")
    ended = time.time()
    state = await container.state()
    started = datetime.fromisoformat(_microseconds(state["StartedAt"])).timestamp()
    return Start(ended - started - _waited(state["Pid"]), ended - started)


def _microseconds(stamp: str) -> str:
    """Return a time stamp of Go, in nanoseconds of which zeros at the end are left out."""
    whole, _, rest = stamp.rstrip("Z").partition(".")
    return f"{whole}.{rest[:6]:0<6}+00:00"


def _waited(pid: int) -> float:
    """Return how long the service below a container's first process waited for a processor.

    Zero where the engine is on another machine, as that of a desktop is.
    """
    try:
        (service,) = psutil.Process(pid).children()
        schedule = Path(f"/proc/{service.pid}/schedstat").read_text("ascii").split()
    except (psutil.Error, OSError, ValueError):
        return 0.0
    return int(schedule[1]) / 1e9
