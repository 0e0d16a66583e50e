"""Which client builds, among those on the path, and what is said when none can."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tools.testbed.engine.client import client
from tools.testbed.errors import TestbedError

AddClient = Callable[..., Path]

# Told to build, each of these would say what it was told.
SCRIPT = """#!/bin/sh
case "$*" in
"version --format {{{{.Client.Version}}}}") echo {version} ;;
"version --format {{{{.Server.Version}}}}") {engine} ;;
"buildx version") {buildx} ;;
*) echo "$DOCKER_BUILDKIT $*" ;;
esac
"""


@pytest.fixture
def add_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AddClient:
    """Return what puts a client of some version at the end of the path."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    folders: list[str] = []

    def add(version: str, *, buildx: bool = False, engine: bool = True) -> Path:
        folder = tmp_path / str(len(folders))
        folder.mkdir()
        program = folder / "docker"
        said = {True: "echo 20.10.24", False: "exit 1"}
        program.write_text(SCRIPT.format(version=version, engine=said[engine], buildx=said[buildx]))
        program.chmod(0o755)
        folders.append(str(folder))
        monkeypatch.setenv("PATH", ":".join(folders))
        return program

    return add


async def test_an_old_client_builds_by_itself(add_client: AddClient) -> None:
    program = add_client("20.10.24+dfsg1")

    docker = client()

    assert docker.program == str(program)
    assert await docker(*docker.builds, "here") == "1 build here"


async def test_a_new_client_builds_by_its_plug_in(add_client: AddClient) -> None:
    add_client("28.2.2", buildx=True)

    docker = client()

    assert await docker(*docker.builds, "here") == "buildx build --load here"


def test_a_new_client_without_the_plug_in_gives_way_to_one_that_can_build(
    add_client: AddClient,
) -> None:
    add_client("28.2.2")
    older = add_client("20.10.24")

    assert client().program == str(older)


def test_where_no_client_can_build_it_says_what_is_missing(add_client: AddClient) -> None:
    add_client("28.2.2")

    with pytest.raises(TestbedError, match="needs the plug-in buildx"):
        client()


def test_an_engine_that_does_not_answer_is_named(
    add_client: AddClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_client("20.10.24", engine=False)

    with pytest.raises(TestbedError, match="no Docker engine answers at the default socket"):
        client()
    monkeypatch.setenv("DOCKER_HOST", "tcp://engine.test:2375")
    with pytest.raises(TestbedError, match=r"tcp://engine\.test:2375"):
        client()


def test_a_machine_without_docker_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(TestbedError, match="there is no docker on the path"):
        client()


async def test_what_a_client_complains_of_is_in_the_error(add_client: AddClient) -> None:
    program = add_client("20.10.24")
    docker = client()
    program.write_text("#!/bin/sh\necho 'no space left' >&2\nexit 1\n")

    with pytest.raises(TestbedError, match="no space left"):
        await docker("pull", "debian")
