"""Which images are built in and upon: those that are named, a registry's, or stand-ins."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tools.images.debian import StandIns, stand_ins
from tools.testbed.builds import Say
from tools.testbed.engine.client import Docker
from tools.testbed.errors import TestbedError

# As the Dockerfile has them.
_BUILD = "debian:12-slim"
_BASE = "gcr.io/distroless/python3-debian12:nonroot"

_STAND_IN = "nexus-stand-in"
# What distroless says of its own.
_BASE_SAYS = (
    "USER 65532",
    "WORKDIR /home/nonroot",
    "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt",
    "ENV LANG=C.UTF-8",
)


class Bases(NamedTuple):
    """Names of images that the engine has."""

    build: str
    base: str


async def bases(docker: Docker, cache: Path, named: Mapping[str, str], say: Say) -> Bases:
    """Return what images are built in and upon; `BUILD_IMAGE` and `BASE_IMAGE` name others.

    Raises:
        TestbedError: No registry answers, and no stand-ins could be made.
    """
    build, base = named.get("BUILD_IMAGE") or _BUILD, named.get("BASE_IMAGE") or _BASE
    if why := await _missing(docker, build) or await _missing(docker, base):
        if named.get("BUILD_IMAGE") or named.get("BASE_IMAGE"):
            raise TestbedError(why)
        say(f"{why}; taking Debian's packages instead")
        return await _imported(docker, await stand_ins(cache, say))
    return Bases(build, base)


async def _missing(docker: Docker, image: str) -> str:
    """Return why the engine can't have an image; empty when it has it, perhaps by now."""
    if await docker.has(image):
        return ""
    try:
        await docker("pull", "--quiet", image)
    except TestbedError as error:
        return f"{image} can't be had ({str(error).rpartition(': ')[2]})"
    return ""


async def _imported(docker: Docker, made: StandIns) -> Bases:
    build, base = (f"{_STAND_IN}/{name}:{made.key}" for name in ("debian", "python3-debian12"))
    if not await docker.has(build):
        await docker("import", made.build, build)
    if not await docker.has(base):
        await docker("import", *(f"--change={said}" for said in _BASE_SAYS), made.base, base)
    return Bases(build, base)
