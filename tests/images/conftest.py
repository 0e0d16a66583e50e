"""The images of the services and a real engine to run them; see `support.containers`."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import aiohttp
import pytest

from support.caller import PATIENCE
from support.containers import Containers, image_names, some_containers
from tools.images.building import Version, version_of
from tools.images.contents import export
from tools.testbed.engine.client import Docker

MEASURED = "measured"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was measured on the way."""
    lines = [
        str(value)
        for report in terminalreporter.getreports("passed")
        for name, value in report.user_properties
        if name == MEASURED and report.when == "call"
    ]
    if lines:
        terminalreporter.section("measured")
        for line in sorted(lines):
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def version() -> Version:
    return asyncio.run(version_of())


@pytest.fixture(scope="session")
def images(docker: Docker, version: Version) -> Mapping[str, str]:
    """The names of the images, by service."""
    names = image_names(version.version)
    missing = [name for name in names.values() if not asyncio.run(docker.has(name))]
    assert not missing, f"{', '.join(missing)}: not there; make images"
    return names


@pytest.fixture(scope="session")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of what `archive` has made."""
    return tmp_path_factory.mktemp("images")


@pytest.fixture
def archive(service: str, docker: Docker, images: Mapping[str, str], archives: Path) -> Path:
    """All files of the image of a test's service."""
    return _exported(docker, images[service], archives / f"{service}.tar")


@pytest.fixture
def base_archive(docker: Docker, images: Mapping[str, str], archives: Path) -> Path:
    """All files of what the images are built upon."""
    label = '--format={{index .Config.Labels "org.opencontainers.image.base.name"}}'
    base = asyncio.run(docker("image", "inspect", label, images["scheduler"]))
    return _exported(docker, base, archives / "base.tar")


def _exported(docker: Docker, image: str, archive: Path) -> Path:
    if not archive.exists():
        asyncio.run(export(docker, image, archive))
    return archive


@pytest.fixture(scope="session")
def network(docker: Docker) -> Iterator[str]:
    """A network of the test process' own."""
    name = f"nexus-test-{secrets.token_hex(4)}"
    asyncio.run(docker("network", "create", name))
    yield name
    asyncio.run(docker("network", "rm", name))


@pytest.fixture
async def containers(
    docker: Docker, images: Mapping[str, str], network: str
) -> AsyncIterator[Containers]:
    async with some_containers(docker, images, network) as containers:
        yield containers


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(total=PATIENCE)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        yield session
