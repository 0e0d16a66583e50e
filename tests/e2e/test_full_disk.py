"""A disk without room: who needs it says so, takes nothing, and goes on when there is some."""

import asyncio
import sys
from pathlib import Path

import aiohttp
import pytest

from support.caller import REPOSITORY
from support.small_disk import SmallDisk
from support.standalone import Standalone, a_standalone
from support.watched_service import WatchedService

SERVICES = ("SCHEDULER", "RECEIVER", "SUPERVISOR")


@pytest.fixture
def disk(tmp_path: Path) -> SmallDisk:
    return SmallDisk(tmp_path / "disk", "6m")


async def test_a_full_disk_is_named_by_all_until_there_is_room_again(
    disk: SmallDisk, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    async with a_standalone(disk.folder) as standalone, aiohttp.ClientSession() as session:
        process = await started(standalone, disk, log)
        services = [
            WatchedService(process, f"http://{standalone.host}:{standalone.ports[name]}", log)
            for name in SERVICES
        ]
        for service in services:
            await service.comes_to_say({}, session)
        before = await standalone.submit("hello-world", {"algorithmParameters": {"name": "Ada"}})
        assert (await standalone.finished("hello-world", before))["status"] == "COMPLETED"

        disk.fill(process.pid)

        no_room = [str(disk.folder), "no space left on its disk"]
        for service in services:
            troubles = {"checkpoint-store": no_room, "payload-store": no_room}
            await service.comes_to_say(troubles, session)
        url = f"{standalone.url}/algorithm/run/hello-world"
        async with session.post(url, json={"algorithmParameters": {"name": "Ada"}}) as refused:
            assert (refused.status, "Retry-After" in refused.headers) == (503, True)
            assert "no space left on its disk" in await refused.text()
        said = [line for line in services[0].log() if "circuit opened" in line["event"]]
        assert {line["part"] for line in said} == {"checkpoint-store", "payload-store"}

        disk.make_room(process.pid)

        for service in services:
            await service.comes_to_say({}, session)
        after = await standalone.submit("hello-world", {"algorithmParameters": {"name": "Ada"}})
        assert (await standalone.finished("hello-world", after))["status"] == "COMPLETED"
        assert await standalone.finished("hello-world", before)
        # A line each and no flood, which would have to find room as well.
        assert len(services[0].log()) < 60
        assert await standalone.stop() == 0


async def started(standalone: Standalone, disk: SmallDisk, log: Path) -> asyncio.subprocess.Process:
    own = {"NEXUS__LOG_FORMAT": "json", "NEXUS__LOG_LEVEL": "info"}
    with log.open("wb") as written:
        standalone.process = await asyncio.create_subprocess_exec(
            *disk.command,
            sys.executable,
            "-m",
            "nexus_standalone",
            cwd=REPOSITORY,
            env=standalone.environment(**own),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=written,
        )
    return standalone.process
