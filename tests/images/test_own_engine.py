"""An engine of the testbed's own, started beside whichever answers on this machine."""

import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import psutil
import pytest

from support.caller import PATIENCE
from support.waiting import until
from tools.testbed.engine.client import Docker, client
from tools.testbed.engine.server import address, obstacle, programs, start_engine
from tools.testbed.errors import TestbedError
from tools.testbed.places import Places
from tools.testbed.processes import Process

pytestmark = [
    pytest.mark.engine,
    pytest.mark.timeout(300),
    pytest.mark.skipif(bool(obstacle()), reason=obstacle()),
]

NETWORKS = Path("/sys/class/net")


class Own:
    """The engine of a test."""

    def __init__(self, folder: Path, docker: Docker, process: Process) -> None:
        self.folder, self.docker, self.process = folder, docker, process


@pytest.fixture
async def own(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Own]:
    # The paths of sockets may have a hundred characters.
    folder = tmp_path_factory.mktemp("own")
    parts = await programs(Places.from_environment().cache, print)
    process = await start_engine(folder / "run", folder / "data", parts)
    try:
        yield Own(folder, client(address(folder / "run"), parts.client), process)
    finally:
        await process.stop(PATIENCE)


async def test_it_runs_an_image_that_another_engine_built(
    own: Own, docker: Docker, images: Mapping[str, str], tmp_path: Path
) -> None:
    archive = tmp_path / "receiver.tar"
    await docker("save", f"--output={archive}", images["receiver"])
    await own.docker("load", f"--input={archive}")

    said = await own.docker("run", "--rm", "--network=none", images["receiver"], "--version")
    assert said.startswith("nexus-receiver ")


@pytest.fixture
def bridges() -> set[str]:
    """The networks of this machine, before there was an engine of a test's own."""
    return _bridges()


async def test_it_leaves_the_default_bridge_of_another_engine_alone(
    bridges: set[str], own: Own
) -> None:
    assert bridges <= _bridges()
    await own.process.stop(PATIENCE)
    assert bridges <= _bridges()


def _bridges() -> set[str]:
    return {path.name for path in NETWORKS.glob("docker*")}


async def test_two_on_the_same_data_are_refused(own: Own) -> None:
    parts = await programs(Places.from_environment().cache, print)

    with pytest.raises(TestbedError, match="engine died at its start"):
        await start_engine(own.folder / "second", own.folder / "data", parts)


async def test_one_that_was_killed_leaves_its_data_to_the_next(own: Own) -> None:
    parts = await programs(Places.from_environment().cache, print)
    await own.process.stop(PATIENCE)
    # As if its number were now that of somebody else.
    (own.folder / "data/engine.pid").write_text(str(os.getpid()))

    process = await start_engine(own.folder / "next", own.folder / "data", parts)
    await process.stop(PATIENCE)


async def test_nothing_of_it_runs_on_when_it_is_stopped(own: Own) -> None:
    below = psutil.Process(own.process.pid).children(recursive=True)
    assert below, "it has no containerd"

    await own.process.stop(PATIENCE)

    await until(lambda: not [one for one in below if one.is_running()])
