import asyncio
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tools.testbed.builds import Say
from tools.testbed.commands import Testbed
from tools.testbed.description import S3Description, ServerName, read_description
from tools.testbed.errors import TestbedError
from tools.testbed.machine import obstacle_to
from tools.testbed.places import Places
from tools.testbed.processes import recorded, start
from tools.testbed.servers import Server

NO_MOUNTS = obstacle_to("this test", ("mount", "umount"))


class Sleeper:
    """A server that does nothing but live."""

    def __init__(self) -> None:
        self.starts = 0

    async def install(self, places: Places, say: Say) -> None:
        assert places.run.is_dir()
        say("installed")

    async def start(self, places: Places, say: Say) -> S3Description:
        say("starting")
        self.starts += 1
        process = start("sleeper", ["sleep", "60"], places.server("s3"))
        return S3Description(
            endpoint="http://127.0.0.1:9",
            access_key_id="",
            secret_access_key="",
            region="",
            bucket="",
            denied_access_key_id="",
            denied_secret_access_key="",
            pid=process.pid,
        )


class Broken(Sleeper):
    """A server that can't be started: something of it runs, but not all."""

    async def start(self, places: Places, say: Say) -> S3Description:
        say("starting")
        start("half", ["sleep", "60"], places.server("cassandra"))
        raise TestbedError("the other half has no Java")


class Bed:
    """A testbed of servers that cost nothing."""

    def __init__(self, folder: Path) -> None:
        self.places = Places(folder / "cache", folder / "run")
        self.s3, self.cassandra = Sleeper(), Broken()
        self.said: list[str] = []
        servers: dict[ServerName, Server] = {"cassandra": self.cassandra, "s3": self.s3}
        self.testbed = Testbed(self.places, servers, self.said.append)


@pytest.fixture
async def bed(tmp_path: Path) -> AsyncIterator[Bed]:
    bed = Bed(tmp_path)
    yield bed
    for process in recorded(tmp_path):
        await process.kill()


async def test_a_server_that_is_up_is_described_and_runs(bed: Bed) -> None:
    await bed.testbed.up(["s3"])

    (process,) = recorded(bed.places.run)
    described = read_description(bed.places).s3
    assert described is not None
    assert described.pid == process.pid
    assert process.alive()
    assert bed.said == [
        "s3: installed",
        "s3: starting",
        "s3: ready after 0 s",
        f"described in {bed.places.description}",
    ]


async def test_up_again_starts_nothing(bed: Bed) -> None:
    await bed.testbed.up(["s3"])
    await bed.testbed.up(["s3"])

    assert bed.s3.starts == 1


async def test_two_ups_at_once_start_a_server_once(bed: Bed) -> None:
    await asyncio.gather(bed.testbed.up(["s3"]), bed.testbed.up(["s3"]))

    assert bed.s3.starts == 1


@pytest.mark.skipif(bool(NO_MOUNTS), reason=NO_MOUNTS)
async def test_what_a_server_left_mounted_does_not_keep_down_from_removing_it(bed: Bed) -> None:
    await bed.testbed.up(["s3"])
    for point in ("outer", "outer/inner"):
        folder = bed.places.server("s3") / point
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "tmpfs", str(folder)]
        subprocess.run(command, check=True)  # noqa: S603, ASYNC221 - nothing else goes on here

    await bed.testbed.down(["s3"])

    assert not bed.places.server("s3").exists()


async def test_one_that_died_is_started_anew(bed: Bed) -> None:
    await bed.testbed.up(["s3"])
    (process,) = recorded(bed.places.run)
    await process.kill()
    assert not bed.testbed.status(["s3"])

    await bed.testbed.up(["s3"])

    assert bed.s3.starts == 2
    assert bed.testbed.status(["s3"])


async def test_one_that_fails_leaves_the_others_up_and_is_named(bed: Bed) -> None:
    with pytest.raises(TestbedError, match="cassandra: the other half has no Java"):
        await bed.testbed.up(["cassandra", "s3"])

    description = read_description(bed.places)
    assert description.cassandra is None
    assert description.s3 is not None
    assert bed.testbed.status(["s3"])
    assert not bed.testbed.status(["cassandra"])


async def test_down_ends_also_what_never_became_ready(bed: Bed) -> None:
    with pytest.raises(TestbedError):
        await bed.testbed.up(["cassandra"])
    (half,) = recorded(bed.places.run)

    await bed.testbed.down(["cassandra", "s3"])

    assert not half.alive()


async def test_down_leaves_nothing_behind_and_may_be_said_twice(bed: Bed) -> None:
    await bed.testbed.up(["s3"])
    (process,) = recorded(bed.places.run)

    await bed.testbed.down(["cassandra", "s3"])
    await bed.testbed.down(["cassandra", "s3"])

    assert not process.alive()
    assert not bed.places.run.exists()


async def test_down_of_one_server_keeps_the_others(bed: Bed) -> None:
    await bed.testbed.up(["s3"])

    await bed.testbed.down(["cassandra"])

    assert bed.testbed.status(["s3"])
    assert read_description(bed.places).s3 is not None


async def test_a_folder_that_is_something_else_is_left_alone(bed: Bed) -> None:
    bed.places.run.mkdir()
    kept = bed.places.run / "thesis.txt"
    kept.touch()

    with pytest.raises(TestbedError, match="no folder of a testbed"):
        await bed.testbed.up(["s3"])
    with pytest.raises(TestbedError, match="no folder of a testbed"):
        await bed.testbed.down(["s3"])

    assert kept.exists()


async def test_status_tells_what_is_down_from_what_died(bed: Bed) -> None:
    await bed.testbed.up(["s3"])
    (process,) = recorded(bed.places.run)
    await process.kill()
    bed.said.clear()

    assert not bed.testbed.status(["cassandra", "s3"])

    assert bed.said == ["cassandra: is down", f"s3: died; see {bed.places.server('s3')}"]
