"""The full stack: on the images that it names, or, without a registry, as far as packages go."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from support.caller import REPOSITORY
from support.stack import Stack, a_stack
from support.stack_cluster import GIVEN, a_stack_cluster
from tools.compose.examples_image import save
from tools.compose.stand_ins import stand_ins
from tools.testbed.engine.client import Docker
from tools.testbed.errors import TestbedError
from tools.testbed.places import Places

OVERRIDE = REPOSITORY / "tests/integration/compose/testbed_cluster.yaml"
"""Puts a cluster of the testbed in the place of k3s."""

_PROFILES = ("full", "observability")


@dataclass(frozen=True)
class FullStack:
    """A stack with Prometheus."""

    stack: Stack
    is_whole: bool
    """Whether k3s and Grafana are in it."""

    async def up(self) -> None:
        """Start it, for the first time or again, and wait until it is ready."""
        if self.is_whole:
            await self.stack.make("compose-up", f"PROFILES={','.join(_PROFILES)}")
            return
        await self.stack("--profile=full", "up", "--detach", "--wait")
        chosen = [f"--profile={profile}" for profile in _PROFILES]
        await self.stack(*chosen, "up", "--detach", "--wait", "--no-deps", "prometheus")


@asynccontextmanager
async def of_packages(docker: Docker, compose: Path, folder: Path) -> AsyncIterator[FullStack]:
    """Start it on stand-ins, with a cluster of the testbed whose node has the image of examples."""
    servers = await stand_ins(docker, Places.from_environment().cache, print)
    given = {**servers, "NEXUS_TEST_CLUSTER": str(folder / GIVEN)}
    archive = folder / "examples.tar"
    async with a_stack(docker, compose, [OVERRIDE], **given) as stack:
        await stack.make("images")
        await save(docker, f"nexus-standalone:{stack.project}", archive)
        async with a_stack_cluster(folder, archive) as cluster:
            await stack("--profile=full", "run", "--rm", "kubernetes-objects")
            # Before there is a scheduler, or it might know the workgroup as it was.
            await cluster.send_runs_to_the_node()
            full = FullStack(stack, is_whole=False)
            await full.up()
            yield full
            await stack.make("compose-clean")


@asynccontextmanager
async def of_a_registry(docker: Docker, compose: Path) -> AsyncIterator[FullStack]:
    """Start all of it, as a person does. Its images must have been fetched."""
    async with a_stack(docker, compose) as stack:
        full = FullStack(stack, is_whole=True)
        await full.up()
        yield full


async def not_to_be_had(docker: Docker, compose: Path) -> str:
    """Fetch the images of others. Returns why one can't be had; empty when all are there."""
    async with a_stack(docker, compose) as stack:
        chosen = [f"--profile={profile}" for profile in _PROFILES]
        named = (await stack(*chosen, "config", "--images")).split()
    for image in sorted({one for one in named if not one.startswith("nexus-")}):
        if not await docker.has(image):
            try:
                await docker("pull", "--quiet", image)
            except TestbedError as error:
                return str(error)
    return ""
