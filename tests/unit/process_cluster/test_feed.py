"""Telling several followers what happens."""

import asyncio

import pytest

from nexus_core.adapters.process.feed import Feed, Follower
from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.observation import JobPhase
from support.observations import a_job_status

STARTED, COMPLETED = (a_job_status(phase) for phase in (JobPhase.ACTIVE, JobPhase.SUCCEEDED))


async def told(follower: Follower, count: int) -> list[JobPhase]:
    statuses = follower.statuses()
    phases = [(await anext(statuses)).phase for _ in range(count)]
    await statuses.aclose()
    return phases


async def test_every_follower_is_told_the_same() -> None:
    feed = Feed(backlog=10)
    with feed.follower() as first, feed.follower() as second:
        feed.tell(STARTED)
        feed.tell(COMPLETED)

        assert await told(first, 2) == [JobPhase.ACTIVE, JobPhase.SUCCEEDED]
        assert await told(second, 2) == [JobPhase.ACTIVE, JobPhase.SUCCEEDED]


async def test_a_follower_waits_for_news() -> None:
    feed = Feed(backlog=10)
    with feed.follower() as follower:
        waiting = asyncio.create_task(told(follower, 1))
        await asyncio.sleep(0)
        assert not waiting.done()

        feed.tell(STARTED)

        assert await waiting == [JobPhase.ACTIVE]


async def test_a_follower_who_falls_behind_must_begin_again() -> None:
    feed = Feed(backlog=2)
    with feed.follower() as follower:
        for _ in range(1000):
            feed.tell(STARTED)
        assert len(follower._waiting) <= 2

        assert [one async for one in follower.statuses()] == []

        follower.begin()
        feed.tell(COMPLETED)
        assert await told(follower, 1) == [JobPhase.SUCCEEDED]


async def test_one_who_waits_while_others_fall_behind_loses_nothing() -> None:
    feed = Feed(backlog=2)
    with feed.follower(), feed.follower() as quick:
        for _ in range(10):
            feed.tell(STARTED)
            assert await told(quick, 1) == [JobPhase.ACTIVE]


async def test_one_who_has_left_is_told_nothing() -> None:
    feed = Feed(backlog=2)
    with feed.follower() as follower:
        pass

    feed.tell(STARTED)

    assert not follower._waiting


async def test_when_the_feed_is_closed_its_followers_hear_of_it() -> None:
    feed = Feed(backlog=2)
    with feed.follower() as follower:
        waiting = asyncio.create_task(told(follower, 1))
        await asyncio.sleep(0)

        feed.close()

        with pytest.raises(UnavailableError):
            await waiting
