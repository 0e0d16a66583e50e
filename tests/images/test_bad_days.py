"""Disks that can't be written to: what the image of standalone says of them, and how it goes on."""

import asyncio
from typing import Any

import aiohttp
import msgspec
import pytest

from support.caller import PATIENCE
from support.containers import HARDENED, PORTS, Container, Containers
from support.waiting import until_so

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

PORT = PORTS["standalone"]

# All that is left of a file system, however small the pieces.
FILL = """
import errno
with open("/data/ballast", "wb", buffering=0) as file:
    for piece in (1 << 16, 1 << 12, 1):
        try:
            while file.write(b"x" * piece) == piece:
                pass
        except OSError as error:
            assert error.errno == errno.ENOSPC, error
"""
EMPTY = "import os; os.unlink('/data/ballast')"
# With a file in it: of an empty volume the engine makes what the image has in its place.
TAKE_AWAY = """
import os
open("/data/of-root", "x").close()
os.chown("/data", 0, 0)
os.chmod("/data", 0o755)
"""
GIVE_BACK = "import os; os.chown('/data', 65532, 0); os.chmod('/data', 0o770)"


async def _submit(session: aiohttp.ClientSession, container: Container) -> tuple[int, str]:
    url = f"{await container.url(PORT)}/algorithm/run/hello-world"
    async with session.post(url, json={"algorithmParameters": {"name": "Ada"}}) as answer:
        return answer.status, await answer.text()


async def _status(session: aiohttp.ClientSession, container: Container, request_id: str) -> str:
    url = f"{await container.url(PORT)}/algorithm/results/hello-world/requests/{request_id}"
    async with session.get(f"{url}?wait=10s") as answer:
        return str((await answer.json())["status"])


async def test_a_data_folder_of_somebody_else_is_said_in_one_line_and_is_no_longer_when_mended(
    containers: Containers, session: aiohttp.ClientSession
) -> None:
    volume = await containers.volume()
    await containers.python(TAKE_AWAY, "--user=0", f"--volume={volume}:/data")
    container = await containers.create(
        "standalone", *HARDENED, f"--volume={volume}:/data", "--restart=on-failure"
    )
    await container.start()

    await container.says("error: data-path (NEXUS__DATA_PATH): /data/signing.secret")
    errors = (await container.printed()).errors.splitlines()
    assert all("Permission denied" in line for line in errors), errors

    await containers.python(GIVE_BACK, "--user=0", f"--volume={volume}:/data")
    # The engine starts it again and again, after pauses that grow.
    await until_so(lambda: _runs(container), PATIENCE)
    await container.answers(session, PORT, "/readyz")


async def _runs(container: Container) -> bool:
    """Tell whether it runs on: one that is to fail does so at once."""
    before = await container.state()
    if not before["Running"]:
        return False
    await asyncio.sleep(3)
    return bool((await container.state())["StartedAt"] == before["StartedAt"])


async def test_a_read_only_data_folder_is_said_in_one_line(containers: Containers) -> None:
    volume = await containers.volume()
    container = await containers.start("standalone", *HARDENED, f"--volume={volume}:/data:ro")

    assert await container.ends() == 2
    errors = (await container.printed()).errors
    assert errors.count("\n") == 1
    assert "data-path (NEXUS__DATA_PATH): /data" in errors
    assert "Read-only file system" in errors


async def test_a_full_volume_is_named_by_readyz_and_the_log_and_over_when_there_is_room(
    containers: Containers, session: aiohttp.ClientSession
) -> None:
    volume = await containers.volume(
        "--opt=type=tmpfs", "--opt=device=tmpfs", "--opt=o=size=16m,uid=65532,gid=0,mode=0770"
    )
    container = await containers.start("standalone", *HARDENED, f"--volume={volume}:/data")
    await container.answers(session, PORT, "/readyz")
    await containers.python(FILL, f"--volume={volume}:/data")

    status, told = await _submit(session, container)
    assert status == 503, told
    said = await container.answers(session, PORT, "/readyz", 503)
    away = {
        name: part["reason"]
        for name, part in msgspec.json.decode(said, type=dict[str, Any])["parts"].items()
        if not part["ready"]
    }
    assert set(away) == {"payload-store"}
    assert "/data/payloads/.incoming: no space left on its disk" in away["payload-store"]
    await container.says("/data/checkpoints.sqlite can't grow: the disk is full")

    await containers.python(EMPTY, f"--volume={volume}:/data")
    await container.answers(session, PORT, "/readyz")
    status, told = await _submit(session, container)
    assert status == 202, told
    request_id = msgspec.json.decode(told)["requestId"]
    assert await _status(session, container, request_id) == "COMPLETED"
