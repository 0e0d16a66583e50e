"""Telling several followers what happens."""

import asyncio

import pytest

from nexus_core.adapters.process.feed import Feed, Follower
from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.observation import ObjectKind
from support.observations import an_observation

STARTED, COMPLETED = (an_observation(ObjectKind.POD, reason) for reason in ("Started", "Completed"))


async def told(follower: Follower, count: int) -> list[str]:
    observations = follower.observations()
    reasons = [(await anext(observations)).reason for _ in range(count)]
    await observations.aclose()
    return reasons


async def test_every_follower_is_told_the_same() -> None:
    feed = Feed(backlog=10)
    with feed.follower() as first, feed.follower() as second:
        feed.tell(STARTED)
        feed.tell(COMPLETED)

        assert await told(first, 2) == ["Started", "Completed"]
        assert await told(second, 2) == ["Started", "Completed"]


async def test_a_follower_waits_for_news() -> None:
    feed = Feed(backlog=10)
    with feed.follower() as follower:
        waiting = asyncio.create_task(told(follower, 1))
        await asyncio.sleep(0)
        assert not waiting.done()

        feed.tell(STARTED)

        assert await waiting == ["Started"]


async def test_a_follower_who_falls_behind_must_begin_again() -> None:
    feed = Feed(backlog=2)
    with feed.follower() as follower:
        for _ in range(1000):
            feed.tell(STARTED)
        assert len(follower._waiting) <= 2

        assert [one async for one in follower.observations()] == []

        follower.begin()
        feed.tell(COMPLETED)
        assert await told(follower, 1) == ["Completed"]


async def test_one_who_waits_while_others_fall_behind_loses_nothing() -> None:
    feed = Feed(backlog=2)
    with feed.follower(), feed.follower() as quick:
        for _ in range(10):
            feed.tell(STARTED)
            assert await told(quick, 1) == ["Started"]


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
