"""Building the images, one a service."""

import asyncio
import shlex
import tomllib
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tools.images.bases import Bases
from tools.testbed.builds import Say
from tools.testbed.engine.client import Docker

REPOSITORY = Path(__file__).parents[2]
SERVICES = ("scheduler", "receiver", "supervisor", "standalone")

_DOCKERFILE = REPOSITORY / "deploy/images/Dockerfile"

# What says to pip and uv where packages are, and how to get there; whoever set it for this machine
# has to have it set where images are built on it.
_NETWORK = (
    *("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST"),
    *("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_INSECURE_HOST"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
)
# Where this machine's authorities are, if it has more than others.
_AUTHORITIES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE")
_MOUNTED_AUTHORITIES = "/run/secrets/ca"


class Version(NamedTuple):
    """What is built."""

    version: str
    revision: str
    """Of git; ends in `-dirty` when the folder holds changes that are in no commit."""
    created: str
    """When the commit was made: another build of it is the same image."""


class Plan(NamedTuple):
    """How all images of one call are built."""

    docker: Docker
    bases: Bases
    version: Version
    environment: Mapping[str, str]
    log: Path

    async def build(self, service: str, say: Say) -> None:
        """Build the image of a service.

        Raises:
            TestbedError: it could not be built; shows the end of the log.
        """
        image = image_of(service, self.version.version, self.environment)
        arguments = self._arguments(service)
        with TemporaryDirectory() as folder:
            secrets = network_secrets(Path(folder), self.environment)
            await self.docker.build(
                *("--progress=plain", f"--file={_DOCKERFILE}", f"--tag={image}"),
                # The network of this machine, with its names and its proxies.
                "--network=host",
                *(f"--build-arg={name}={value}" for name, value in arguments.items()),
                *(f"--secret=id={name},src={file}" for name, file in secrets.items()),
                str(REPOSITORY),
                folder=REPOSITORY,
                log=self.log,
            )
        beyond = await _size(self.docker, image) - await _size(self.docker, self.bases.base)
        say(f"{image}: {beyond / 1e6:.0f} MB beyond {self.bases.base}")

    def _arguments(self, service: str) -> dict[str, str]:
        return {
            "SERVICE": service,
            "BUILD_IMAGE": self.bases.build,
            "BASE_IMAGE": self.bases.base,
            "UV_VERSION": _uv_version(),
            "VERSION": self.version.version,
            "REVISION": self.version.revision,
            "CREATED": self.version.created,
        }


def image_of(service: str, version: str, environment: Mapping[str, str]) -> str:
    """Return the name of a service's image; `REGISTRY` and `TAG` of the environment change it."""
    registry = environment.get("REGISTRY", "").rstrip("/")
    return f"{registry}/nexus-{service}:{environment.get('TAG') or version}".lstrip("/")


async def version_of() -> Version:
    """Return what is built: the version of the packages, and the commit."""
    project = tomllib.loads((REPOSITORY / "libs/nexus_core/pyproject.toml").read_text())
    version = project["project"]["version"]
    commit = (await _git("log", "-1", "--format=%H %cI")).split()
    if not commit:
        return Version(version, "unknown", "unknown")
    revision, created = commit
    dirty = await _git("status", "--porcelain")
    return Version(version, f"{revision}-dirty" if dirty else revision, created)


def network_secrets(folder: Path, environment: Mapping[str, str]) -> dict[str, Path]:
    """Return what only the builder's network asks for, as files by the names of secrets."""
    found = {name: environment[name] for name in _NETWORK if environment.get(name)}
    secrets = {}
    bundle = next((environment[name] for name in _AUTHORITIES if environment.get(name)), "")
    if bundle and Path(bundle).is_file():
        secrets["ca"] = Path(bundle)
        found |= dict.fromkeys(_AUTHORITIES, _MOUNTED_AUTHORITIES)
    if found:
        secrets["network"] = folder / "network"
        lines = (f"export {name}={shlex.quote(value)}\n" for name, value in found.items())
        secrets["network"].write_text("".join(lines))
    return secrets


def _uv_version() -> str:
    """Return the version that the lock has."""
    lock = tomllib.loads((REPOSITORY / "uv.lock").read_text())
    return next(str(one["version"]) for one in lock["package"] if one["name"] == "uv")


async def _git(*arguments: str) -> str:
    """Return what git prints; nothing where there is no git, or this is no clone."""
    try:
        process = await asyncio.create_subprocess_exec(
            "git",
            *arguments,
            cwd=REPOSITORY,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except FileNotFoundError:
        return ""
    printed, _ = await process.communicate()
    return printed.decode().strip() if process.returncode == 0 else ""


async def _size(docker: Docker, image: str) -> int:
    return int(await docker("image", "inspect", "--format={{.Size}}", image))
