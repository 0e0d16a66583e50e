"""Servers of the stack as images, made of packages: for tests where no registry answers.

The programs are those of the images whose place they take: Cassandra's jars, cqlsh, versitygw,
Prometheus. In the place of k3s there is kubectl alone, and a way to an API server elsewhere. Of
Grafana there is nothing.
"""

import asyncio
import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from tools.images.bases import bases
from tools.images.building import network_secrets
from tools.testbed.builds import Say, key_of
from tools.testbed.cassandra import distribution as cassandra
from tools.testbed.engine.client import Docker
from tools.testbed.kubernetes import binaries as kubernetes
from tools.testbed.prometheus import distribution as prometheus
from tools.testbed.s3 import distribution as s3

_HERE = Path(__file__).parent
_FILES = (_HERE / "stand_ins/Dockerfile", _HERE / "stand_ins/cassandra.sh")
_CASSANDRA = Path(cassandra.__file__).parent
_OF_CASSANDRA = (_CASSANDRA / "jvm.options", _CASSANDRA / "logback.xml")
_CQLSH_VERSION = "6.2.2"

_VARIABLES = {
    "cassandra": "CASSANDRA_IMAGE",
    "s3": "S3_IMAGE",
    "prometheus": "PROMETHEUS_IMAGE",
    "kubernetes": "K3S_IMAGE",
}
"""By stage of the Dockerfile: the variable that names the image to the stack."""


async def stand_ins(docker: Docker, cache: Path, say: Say) -> dict[str, str]:
    """Return the variables of deploy/compose/.env.example that name the images, built at need.

    Raises:
        TestbedError: They could not be built; names the log.
    """
    programs = [
        await cassandra.jars(cache, say),
        await s3.program(cache, say),
        await prometheus.server(cache, say),
        await prometheus.program(cache, say),
        Path((await kubernetes.install(cache, say)).kubectl),
    ]
    # The folders of the cache are named after what is in them.
    key = key_of(*_FILES, *_OF_CASSANDRA, *map(str, programs), _CQLSH_VERSION)
    images = {stage: f"nexus-stand-in/{stage}:{key}" for stage in _VARIABLES}
    if not all([await docker.has(image) for image in images.values()]):
        say("building images of servers")
        with TemporaryDirectory(dir=cache) as folder:
            context = Path(folder)
            await asyncio.to_thread(_fill, context, programs)
            below = await bases(docker, cache, os.environ, say)
            for stage, image in images.items():
                await _build(docker, context, stage, image, below.build, cache)
    return {variable: images[stage] for stage, variable in _VARIABLES.items()}


def _fill(context: Path, programs: list[Path]) -> None:
    for file in (*_FILES, *_OF_CASSANDRA):
        shutil.copy(file, context)
    for program in programs:
        if program.is_dir():
            shutil.copytree(program, context / program.name)
        else:
            shutil.copy(program, context)


async def _build(
    docker: Docker, context: Path, stage: str, image: str, below: str, cache: Path
) -> None:
    with TemporaryDirectory() as folder:
        secrets = network_secrets(Path(folder), os.environ)
        await docker.build(
            *("--progress=plain", f"--target={stage}", f"--tag={image}", "--network=host"),
            *(f"--build-arg=BUILD_IMAGE={below}", f"--build-arg=CQLSH_VERSION={_CQLSH_VERSION}"),
            *(f"--secret=id={name},src={file}" for name, file in secrets.items()),
            str(context),
            folder=context,
            log=cache / "stand-ins-build.log",
        )
