"""What a lane does when its thread stands still."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from nexus_core.adapters.sqlite.batches import answer_each
from nexus_core.adapters.sqlite.connection import connect
from nexus_core.adapters.sqlite.lane import Lane
from nexus_core.domain.errors import OverloadedError, UnavailableError

PATIENT = 60.0
HASTY = 0.01


@pytest.fixture
def release() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


@asynccontextmanager
async def a_lane(
    path: Path, connection: Callable[[], sqlite3.Connection], answer_seconds: float = PATIENT
) -> AsyncIterator[Lane]:
    lane = Lane(path, "test", connection, answer_each, answer_seconds)
    try:
        await lane.open()
        yield lane
    finally:
        await lane.close()


async def test_an_answer_that_is_late_is_waited_for_no_longer(
    path: Path, release: threading.Event
) -> None:
    # Long enough to open in, on a machine that has much to do.
    async with a_lane(path, lambda: connect(path, 1), 1.0) as lane:
        with pytest.raises(UnavailableError, match="did not answer within 1 s"):
            await lane.run(lambda _: release.wait(10))

        release.set()


async def test_a_connection_that_does_not_open_is_waited_for_no_longer(
    path: Path, release: threading.Event
) -> None:
    def open_late() -> sqlite3.Connection:
        release.wait(10)
        return connect(path, 1)

    with pytest.raises(UnavailableError, match="did not answer"):
        async with a_lane(path, open_late, HASTY):
            pass


async def test_more_than_can_wait_is_turned_away(path: Path, release: threading.Event) -> None:
    async with a_lane(path, lambda: connect(path, 1)) as lane:
        await lane.run(lambda _: None)
        held = asyncio.create_task(lane.run(lambda _: release.wait(10)))
        waiting = [asyncio.create_task(lane.run(lambda _: 1)) for _ in range(21_000)]
        await asyncio.sleep(0)
        release.set()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        await held

    turned_away = [outcome for outcome in outcomes if outcome != 1]
    assert 0 < len(turned_away) <= 1_000
    assert all(isinstance(outcome, OverloadedError) for outcome in turned_away)


async def test_a_lane_closes_again_without_harm(path: Path) -> None:
    async with a_lane(path, lambda: connect(path, 1)) as lane:
        await lane.close()


async def test_a_lane_that_never_opened_closes_without_harm(path: Path) -> None:
    await Lane(path, "test", lambda: connect(path, 1), answer_each, PATIENT).close()
