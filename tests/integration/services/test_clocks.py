"""A machine whose clock is wrong: the service says so by name, before and after it does harm."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

from support.deployment import Servers
from support.misled_service import MODULE, misled
from support.watched_service import WatchedService, a_watched_service

pytestmark = pytest.mark.integration

EVERYBODY = "checkpoint-store, cluster shard-0, cluster shard-1, payload-store"
OF = {
    "scheduler": EVERYBODY,
    "receiver": "checkpoint-store, payload-store",
    "supervisor": EVERYBODY,
}


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
        yield session


class Hands:
    """Turns the clock of a service."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.turn(0)

    def turn(self, seconds: float) -> None:
        draft = self.file.with_suffix(".draft")
        draft.write_text(str(seconds))
        draft.rename(self.file)


@pytest.fixture
def hands(tmp_path: Path) -> Hands:
    return Hands(tmp_path / "clock")


async def test_who_is_wrong_by_seconds_says_so_and_works_on(
    servers: Servers,
    definitions: None,  # noqa: ARG001 - must be there first
    session: aiohttp.ClientSession,
    hands: Hands,
    tmp_path: Path,
) -> None:
    async with AsyncExitStack() as stack:
        services = {
            name: await stack.enter_async_context(a_misled_service(name, servers, hands, tmp_path))
            for name in OF
        }
        for service in services.values():
            await service.comes_to_say({}, session)

        hands.turn(40)
        for name, service in services.items():
            await service.comes_to_say({"clock": [said_of(name)]}, session)
            assert await is_ready(service, session)
            for part in OF[name].split(", "):
                assert -42 < await measured(service, part, session) < -38

        hands.turn(0)
        for name, service in services.items():
            await service.comes_to_say({}, session)
            told = [(line["event"], line["reason"]) for line in service.log() if of_clock(line)]
            assert told == [("part is not ready", said_of(name)), ("part is ready again", "")]
            assert await service.stop() == 0


def a_misled_service(
    name: str, servers: Servers, hands: Hands, folder: Path
) -> AbstractAsyncContextManager[WatchedService]:
    settings = servers.settings() | misled(name, hands.file)
    return a_watched_service(name, settings, folder, module=MODULE)


def said_of(name: str) -> str:
    return f"the clock of this machine is more than 5 seconds ahead of that of {OF[name]}"


def of_clock(line: dict[str, str]) -> bool:
    line.setdefault("reason", "")
    return line.get("part") == "clock"


async def test_who_is_wrong_by_an_hour_is_refused_by_its_bucket_until_the_clock_is_right(
    servers: Servers,
    definitions: None,  # noqa: ARG001 - must be there first
    session: aiohttp.ClientSession,
    hands: Hands,
    tmp_path: Path,
) -> None:
    hands.turn(-4000)
    async with a_misled_service("scheduler", servers, hands, tmp_path) as service:
        behind = f"the clock of this machine is more than an hour behind that of {EVERYBODY}"
        refused = "the clock of this machine and that of the server are too far apart"
        await service.comes_to_say({"clock": [behind], "payload-store": [refused]}, session)
        assert not await is_ready(service, session)

        hands.turn(0)
        await service.comes_to_say({}, session)
        assert await is_ready(service, session)


async def is_ready(service: WatchedService, session: aiohttp.ClientSession) -> bool:
    async with session.get(f"{service.url}/readyz") as answer:
        return answer.status == 200


async def measured(service: WatchedService, part: str, session: aiohttp.ClientSession) -> float:
    async with session.get(f"{service.url}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    beginning = f'nexus_clock_offset_seconds{{part="{part}"}} '
    (value,) = [line.removeprefix(beginning) for line in lines if line.startswith(beginning)]
    return float(value)
