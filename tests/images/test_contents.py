"""What is in the image of each service, and what is not."""

import re
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.caller import REPOSITORY
from support.containers import PORTS
from tools.images.building import Version
from tools.testbed.engine.client import Docker

pytestmark = pytest.mark.engine

MOST_BYTES = 120_000_000
"""Beyond the base."""

SHELLS = {"sh", "ash", "bash", "busybox", "csh", "dash", "ksh", "zsh"}
MANAGERS = {"apk", "apt", "apt-get", "conda", "dpkg", "pip", "pip3", "rpm", "uv"}
COMPILERS = {"as", "cc", "c++", "cpp", "g++", "gcc", "ld", "make", "rustc", "strip"}

every_service = pytest.mark.parametrize("service", PORTS)


class Files:
    """The files of an image by their paths, without the slash at the beginning."""

    def __init__(self, archive: Path, base: Path) -> None:
        with tarfile.open(archive) as opened:
            self.members = {member.name: member for member in opened}
        with tarfile.open(base) as opened:
            below = set(opened.getnames())
        self.added = {path: one for path, one in self.members.items() if path not in below}
        """Those that the base has not."""

    def programs(self) -> set[str]:
        """Return the paths of what is executable in a folder for programs."""
        return {
            path
            for path, member in self.members.items()
            if re.search(r"(^|/)s?bin/[^/]+$", path) and (member.issym() or member.mode & 0o111)
        }


@pytest.fixture
def files(archive: Path, base_archive: Path) -> Files:
    return Files(archive, base_archive)


async def _configuration(docker: Docker, image: str) -> dict[str, Any]:
    said = await docker("image", "inspect", "--format={{json .}}", image)
    configuration: dict[str, Any] = msgspec.json.decode(said)
    return configuration


@every_service
async def test_its_labels_say_what_it_is(
    service: str, docker: Docker, images: Mapping[str, str], version: Version
) -> None:
    labels = (await _configuration(docker, images[service]))["Config"]["Labels"]
    told = {name.removeprefix("org.opencontainers.image."): value for name, value in labels.items()}

    assert told["title"] == f"nexus-{service}"
    assert service in told["description"]
    assert told["version"] == version.version
    assert told["revision"] == version.revision
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", told["revision"])
    assert told["created"] == version.created
    assert told["licenses"] == "Apache-2.0"
    assert told["source"].startswith("https://")
    assert await docker.has(told["base.name"])


@every_service
async def test_it_says_how_it_is_run(
    service: str, docker: Docker, images: Mapping[str, str]
) -> None:
    said = (await _configuration(docker, images[service]))["Config"]

    assert said["User"] == "65532:65532"
    assert said["Entrypoint"] == ["tini", "--", f"nexus-{service}"]
    assert said["Healthcheck"]["Test"] == ["CMD", f"nexus-{service}-health"]
    assert f"{PORTS[service]}/tcp" in said["ExposedPorts"]
    assert list(said["Volumes"] or {}) == (["/data"] if service == "standalone" else [])


@every_service
async def test_it_adds_less_than_120_mb_to_its_base(
    service: str,
    docker: Docker,
    images: Mapping[str, str],
    record_property: Callable[[str, object], None],
) -> None:
    image = await _configuration(docker, images[service])
    base = image["Config"]["Labels"]["org.opencontainers.image.base.name"]
    beyond = image["Size"] - (await _configuration(docker, base))["Size"]

    record_property(
        "measured",
        f"{service}: {beyond / 1e6:.0f} MB beyond its base, {image['Size'] / 1e6:.0f} in all",
    )
    assert 0 < beyond < MOST_BYTES


@every_service
def test_it_has_no_shell_no_package_manager_and_no_compiler(service: str, files: Files) -> None:
    programs = files.programs()
    # Its Jobs run under one, of which the name is all that they need.
    expected = {"bin/sh"} if service == "standalone" else set()

    unwanted = SHELLS | MANAGERS | COMPILERS
    assert {path for path in programs if path.rpartition("/")[2] in unwanted} == expected
    assert f"opt/nexus/bin/nexus-{service}" in programs
    others = set(PORTS) - {service}
    # Of standalone they are parts.
    if service != "standalone":
        assert not {path for path in programs for one in others if f"nexus-{one}" in path}


@every_service
def test_it_has_no_tests_no_sources_of_ours_and_no_installer(files: Files) -> None:
    paths = files.added

    assert not [path for path in paths if re.search(r"(^|/)(tests?|conftest\.py)(/|$)", path)]
    assert not [path for path in paths if re.search(r"(pip|setuptools|pytest|uv)-[\d.]+\.", path)]
    assert not [
        path for path in paths if path.startswith(("workspace", "uv-cache", "run/secrets/"))
    ]
    assert not [path for path in paths if path.endswith(("pyproject.toml", "uv.lock"))]


@every_service
def test_all_of_its_python_is_compiled(files: Files) -> None:
    paths = files.members
    modules = [
        path
        for path in paths
        if re.match(r"(opt/nexus/lib|usr/lib)/python3\.\d+/.*\.py$", path)
        # Templates of new projects, with names that are no modules'.
        and "-" not in path.rpartition("/")[2]
        # The base's own.
        and "/test/" not in path
    ]
    compiled = {re.sub(r"/__pycache__/(.*)\.cpython-\d+\.pyc$", r"/\1.py", path) for path in paths}

    assert len(modules) > 1000
    assert not [path for path in modules if path not in compiled]


@every_service
def test_nothing_in_it_can_be_changed_by_its_user_but_its_data(service: str, files: Files) -> None:
    members = files.added.values()

    writable = {
        member.name
        for member in members
        if not member.issym()
        and (member.mode & 0o002 or (member.uid == 65532 and member.mode & 0o200))
    }
    assert writable == ({"data"} if service == "standalone" else set())
    assert not [member.name for member in members if member.isfile() and member.mode & 0o6000]


@every_service
async def test_nothing_of_the_builders_network_is_in_it(
    service: str, docker: Docker, images: Mapping[str, str], files: Files
) -> None:
    said = await _configuration(docker, images[service])
    history = await docker("history", "--no-trunc", "--format={{.CreatedBy}}", images[service])

    variables = {one.partition("=")[0] for one in said["Config"]["Env"]}
    assert not {name for name in variables if re.search("PIP|UV|INDEX|PROXY|CA_BUNDLE", name)}
    assert not re.search(r"https?://(?!github\.com/)", history)
    # Only the base's own authorities.
    bundles = [path for path in files.members if path.endswith("ca-certificates.crt")]
    assert bundles == ["etc/ssl/certs/ca-certificates.crt"]


def test_the_context_of_builds_is_what_the_dockerfile_copies() -> None:
    said = (REPOSITORY / ".dockerignore").read_text().splitlines()
    dockerfile = (REPOSITORY / "deploy/images/Dockerfile").read_text()
    allowed = {line.removeprefix("!") for line in said if line.startswith("!")}
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(.*)$", dockerfile, re.MULTILINE)
        for source in line.split()[:-1]
    }

    assert "*" in said
    assert {one for one in allowed if not any(_within(path, one) for path in copied)} == set()
    assert {path for path in copied if not any(_within(path, one) for one in allowed)} == set()


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")
