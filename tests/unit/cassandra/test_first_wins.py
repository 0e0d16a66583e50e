"""The timestamps of first writes."""

from datetime import timedelta

from nexus_core.adapters.cassandra.first_wins import FirstWins
from support.clock import ManualClock
from support.runs import LONG_AGO


def test_they_are_before_those_of_any_clock_and_fall() -> None:
    order = FirstWins(ManualClock())
    stamps = [order.next() for _ in range(100)]
    assert max(stamps) < 0
    assert stamps == sorted(set(stamps), reverse=True)


async def test_a_later_one_is_less_also_where_time_has_passed() -> None:
    clock = ManualClock()
    order = FirstWins(clock)
    first = order.next()
    await clock.advance(1)
    assert order.next() == first - 1_000_000


def test_one_whose_clock_goes_back_keeps_falling() -> None:
    ahead = FirstWins(ManualClock(LONG_AGO + timedelta(hours=5)))
    stamp = ahead.next()
    ahead._clock = ManualClock(LONG_AGO)
    assert ahead.next() == stamp - 1
