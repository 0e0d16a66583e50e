import asyncio
from pathlib import Path

import psutil
import pytest

from tools.testbed.builds import built, key_of, locked, run
from tools.testbed.errors import TestbedError


class Workshop:
    """Builds in a cache, and keeps count of it."""

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self.builds = 0
        self.said: list[str] = []

    async def make(self, key: str) -> Path:
        async def build(draft: Path) -> None:
            self.builds += 1
            await asyncio.sleep(0)
            (draft / "program").write_text(key)

        return await built(self.cache, "server", key, build, self.said.append)


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path / "cache")


async def test_what_is_there_is_not_built_again(workshop: Workshop) -> None:
    first, again = await workshop.make("1"), await workshop.make("1")

    assert first == again
    assert (first / "program").read_text() == "1"
    assert workshop.builds == 1
    assert workshop.said == ["built server in 0 s"]


async def test_another_version_is_built_beside_it(workshop: Workshop) -> None:
    old, new = await workshop.make("1"), await workshop.make("2")

    assert [(path / "program").read_text() for path in (old, new)] == ["1", "2"]


async def test_two_who_need_the_same_at_once_build_it_once(workshop: Workshop) -> None:
    one, other = await asyncio.gather(workshop.make("1"), workshop.make("1"))

    assert one == other
    assert workshop.builds == 1


async def test_a_build_that_fails_leaves_nothing_that_looks_done(tmp_path: Path) -> None:
    async def build(draft: Path) -> None:
        (draft / "half").touch()
        await run(["false"], tmp_path / "log", draft)

    with pytest.raises(TestbedError):
        await built(tmp_path, "server", "1", build, print)

    assert _names(tmp_path) == {"log", "server.lock"}


async def test_who_waits_for_a_lock_says_so_and_does_not_wait_for_ever(tmp_path: Path) -> None:
    said: list[str] = []
    async with locked(tmp_path / "lock", 0, said.append):
        with pytest.raises(TestbedError, match="another process held"):
            async with locked(tmp_path / "lock", 0, said.append):
                pytest.fail("two held it")

    assert said == [f"waiting for another process that holds {tmp_path / 'lock'}"]


async def test_a_tool_that_fails_is_shown_with_the_end_of_its_log(tmp_path: Path) -> None:
    with pytest.raises(TestbedError, match=r"(?s)sh -c.*exit code 3.*log.*no such module"):
        await run(["sh", "-c", "echo no such module; exit 3"], tmp_path / "log", tmp_path)


async def test_a_tool_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    command = ["sh", "-c", "sleep 60 & echo $! > child; wait"]

    with pytest.raises(TestbedError, match=r"sh -c.*took more than 2 s"):
        await run(command, tmp_path / "log", tmp_path, seconds=2)

    child = int((tmp_path / "child").read_text())
    async with asyncio.timeout(30):
        while _lives(child):  # noqa: ASYNC110 - nothing tells of the end of an orphan
            await asyncio.sleep(0.01)


async def test_a_tool_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TestbedError, match="there is no no-such-tool"):
        await run(["no-such-tool"], tmp_path / "log", tmp_path)


def test_a_key_tells_what_is_built_from_other_things(tmp_path: Path) -> None:
    pins = tmp_path / "pins"
    pins.write_text("1.0")
    old = key_of(pins, "linux")
    pins.write_text("1.1")

    assert len({old, key_of(pins, "linux"), key_of(pins, "darwin")}) == 3
    assert key_of("a", "b") != key_of("ab")


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
