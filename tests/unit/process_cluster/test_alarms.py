"""Many points in time, one sleeper."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from nexus_core.adapters.process.alarms import Alarms
from support.clock import ManualClock, settle


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def alarms(clock: ManualClock) -> AsyncIterator[Alarms]:
    alarms = Alarms(clock)
    running = asyncio.create_task(alarms.run())
    yield alarms
    running.cancel()
    await asyncio.wait({running})


async def test_alarms_ring_in_their_order(alarms: Alarms, clock: ManualClock) -> None:
    start = clock.now()
    late, early = (alarms.at(start + timedelta(seconds=seconds)) for seconds in (20, 10))

    await clock.advance(9)
    assert not early.done()

    await clock.advance(1)
    assert early.done()
    assert not late.done()

    await clock.advance(10)
    assert late.done()


async def test_an_earlier_alarm_wakes_a_sleeper_who_waits_for_a_later_one(
    alarms: Alarms, clock: ManualClock
) -> None:
    alarms.at(clock.now() + timedelta(hours=1))
    await settle()

    soon = alarms.at(clock.now() + timedelta(seconds=1))
    await clock.advance(1)

    assert soon.done()


async def test_an_alarm_for_a_time_that_has_passed_rings_at_once(
    alarms: Alarms, clock: ManualClock
) -> None:
    passed = alarms.at(clock.now() - timedelta(days=1))

    await settle()

    assert passed.done()


async def test_a_cancelled_alarm_does_not_ring(alarms: Alarms, clock: ManualClock) -> None:
    cancelled = alarms.at(clock.now() + timedelta(seconds=1))
    other = alarms.at(clock.now() + timedelta(seconds=1))
    cancelled.cancel()

    await clock.advance(1)

    assert cancelled.cancelled()
    assert other.done()


async def test_without_alarms_nobody_sleeps(alarms: Alarms, clock: ManualClock) -> None:
    alarm = alarms.at(clock.now() + timedelta(seconds=1))
    await settle()
    assert clock.sleepers == 1

    await clock.advance(1)

    assert alarm.done()
    assert clock.sleepers == 0


async def test_alarms_that_were_cancelled_do_not_pile_up(
    alarms: Alarms, clock: ManualClock
) -> None:
    for _ in range(10_000):
        alarms.at(clock.now() + timedelta(hours=1)).cancel()

    assert len(alarms._heap) < 1000
