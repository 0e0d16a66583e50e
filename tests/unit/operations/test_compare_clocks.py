"""Clocks of servers, beside this machine's."""

import asyncio
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from nexus_core.domain.errors import UnavailableError
from nexus_core.operations.compare_clocks import ClockComparison, inspect_clocks
from nexus_core.ports.timekeeper import Timekeeper, ToldTime
from nexus_core.telemetry.clock_metrics import ClockMetrics
from support.clock import ManualClock


class Elsewhere:
    """A machine whose clock is ahead, or that does not say the time."""

    def __init__(self, clock: ManualClock, ahead: float) -> None:
        self._clock = clock
        self._ahead = timedelta(seconds=ahead)

    async def time(self) -> ToldTime:
        return ToldTime(self._clock.now() + self._ahead, timedelta(0))


class Away:
    async def time(self) -> ToldTime:
        raise UnavailableError("away")


class Hanging:
    async def time(self) -> ToldTime:
        await asyncio.get_running_loop().create_future()
        raise AssertionError


def compare(
    clock: ManualClock, registry: CollectorRegistry, **timekeepers: Timekeeper
) -> ClockComparison:
    return ClockComparison(timekeepers, clock, ClockMetrics(registry))


async def test_each_part_is_told_by_its_name_and_measured(clock: ManualClock) -> None:
    registry = CollectorRegistry()
    comparison = compare(clock, registry, far=Elsewhere(clock, 40), near=Elsewhere(clock, 1))

    assert await comparison.look() == (
        "the clock of this machine is more than 5 seconds behind that of far; "
        "it agrees with that of near"
    )

    def measured(part: str) -> float | None:
        return registry.get_sample_value("nexus_clock_offset_seconds", {"part": part})

    assert (measured("far"), measured("near")) == (40, 1)


@pytest.mark.parametrize("silent", [Away(), Hanging()])
async def test_a_part_that_says_no_time_hides_no_other(
    clock: ManualClock, silent: Timekeeper
) -> None:
    comparison = compare(clock, CollectorRegistry(), far=Elsewhere(clock, -40), silent=silent)

    assert await comparison.look() == (
        "the clock of this machine is more than 5 seconds ahead of that of far"
    )


async def test_where_nobody_says_the_time_nothing_is_found(clock: ManualClock) -> None:
    with pytest.raises(UnavailableError):
        await compare(clock, CollectorRegistry(), silent=Away()).look()


def test_a_service_on_embedded_parts_has_no_clock_to_compare_with(clock: ManualClock) -> None:
    assert inspect_clocks({}, clock, CollectorRegistry()) == []
