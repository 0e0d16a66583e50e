"""Calling a server that refuses: slower at once, faster again little by little."""

import asyncio

import pytest

from nexus_core.aio.backoff import Backoff
from nexus_core.aio.circuit import Circuit
from nexus_core.aio.throttle import Throttle
from nexus_core.domain.errors import UnavailableError
from support.clock import ManualClock, settle


class ServerOfLimit:
    """Takes so many calls in each second, and refuses the others."""

    def __init__(self, limit: float, clock: ManualClock) -> None:
        self.limit = limit
        self._clock = clock
        self.taken: dict[int, int] = {}
        self.refused: dict[int, int] = {}

    def call(self) -> bool:
        second = int(self._clock.monotonic())
        fits = self.taken.get(second, 0) < self.limit
        count = self.taken if fits else self.refused
        count[second] = count.get(second, 0) + 1
        return fits


def a_throttle(clock: ManualClock, ceiling: float = 10, burst: int = 1) -> Throttle:
    return Throttle(ceiling, burst, Backoff(0.1, 1), clock)


async def _call_for_ever(throttle: Throttle, server: ServerOfLimit) -> None:
    while True:
        await throttle.take()
        if server.call():
            throttle.succeeded()
        else:
            throttle.refused()


async def _goes(throttle: Throttle, clock: ManualClock, seconds: float) -> int:
    """Return how many get through within some seconds, all of them successes but told to nobody."""
    count = 0

    async def go() -> None:
        nonlocal count
        while True:
            await throttle.take()
            count += 1

    task = asyncio.create_task(go())
    await clock.advance(seconds)
    task.cancel()
    await asyncio.wait({task})
    return count


async def test_while_nothing_refuses_it_goes_at_the_ceiling(clock: ManualClock) -> None:
    throttle = a_throttle(clock)

    assert await _goes(throttle, clock, 10) == pytest.approx(100, abs=1)
    for _ in range(100):
        throttle.succeeded()
    assert throttle.rate == 10


async def test_a_refusal_halves_the_rate_and_closes_for_a_moment(clock: ManualClock) -> None:
    throttle = a_throttle(clock)

    delay = throttle.refused()

    assert throttle.rate == 5
    assert 0.05 <= delay <= 0.1
    assert not await throttle.try_take()
    await clock.advance(delay)
    assert await throttle.try_take()
    assert await _goes(throttle, clock, 10) == pytest.approx(50, abs=2)


async def test_what_a_server_asks_for_is_waited_out(clock: ManualClock) -> None:
    throttle = a_throttle(clock)

    assert throttle.refused(retry_after=30) == 30

    taking = asyncio.create_task(throttle.take())
    await clock.advance(29)
    assert not taking.done()
    await clock.advance(1)
    await taking


async def test_a_shorter_wish_does_not_open_it_earlier(clock: ManualClock) -> None:
    throttle = a_throttle(clock)
    throttle.refused(retry_after=30)

    throttle.refused(retry_after=1)

    await clock.advance(29)
    assert not throttle.is_open


async def test_refusals_of_calls_that_were_under_way_slow_it_down_once(clock: ManualClock) -> None:
    throttle = a_throttle(clock)

    for _ in range(10):
        throttle.refused()

    assert throttle.rate == 5


async def test_pauses_grow_with_each_refusal_in_a_row_and_begin_anew_after_a_success(
    clock: ManualClock,
) -> None:
    throttle = a_throttle(clock)
    delays = []
    for _ in range(5):
        delays.append(throttle.refused())
        await clock.advance(delays[-1])
    assert delays[0] <= 0.1
    assert 0.5 <= delays[-1] <= 1

    throttle.succeeded()

    assert throttle.refused() <= 0.1


async def test_it_never_stops_asking(clock: ManualClock) -> None:
    throttle = a_throttle(clock)
    for _ in range(50):
        await clock.advance(throttle.refused())

    assert throttle.rate == pytest.approx(0.1)


async def test_what_piled_up_in_a_quiet_time_is_dropped_by_a_refusal(clock: ManualClock) -> None:
    throttle = a_throttle(clock, burst=100)
    await clock.advance(60)

    await clock.advance(throttle.refused())

    assert await _goes(throttle, clock, 2) <= 11


async def test_it_comes_back_to_the_ceiling_in_ten_seconds_of_success(clock: ManualClock) -> None:
    throttle = a_throttle(clock)
    server = ServerOfLimit(1000, clock)
    await clock.advance(throttle.refused())
    calling = asyncio.create_task(_call_for_ever(throttle, server))

    await clock.advance(5)
    assert 7 <= throttle.rate <= 8
    await clock.advance(6)
    assert throttle.rate == 10

    calling.cancel()
    await asyncio.wait({calling})


async def test_it_finds_what_a_server_takes_and_stays_near_it(clock: ManualClock) -> None:
    throttle = a_throttle(clock, ceiling=100)
    server = ServerOfLimit(30, clock)
    calling = asyncio.create_task(_call_for_ever(throttle, server))

    for _ in range(120):
        await clock.advance(1)
    calling.cancel()
    await asyncio.wait({calling})

    taken = sum(server.taken.get(second, 0) for second in range(60, 120)) / 60
    refused = sum(server.refused.get(second, 0) for second in range(60, 120)) / 60
    assert taken >= 0.6 * server.limit
    assert refused <= 1


async def test_two_that_call_the_same_server_come_to_share_it(clock: ManualClock) -> None:
    server = ServerOfLimit(30, clock)
    late, early = a_throttle(clock, ceiling=100), a_throttle(clock, ceiling=100)
    tasks = [asyncio.create_task(_call_for_ever(early, server))]
    await clock.advance(30)
    late.refused()
    tasks.append(asyncio.create_task(_call_for_ever(late, server)))
    rates = []
    for _ in range(240):
        await clock.advance(1)
        rates.append((early.rate, late.rate))
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)

    of_early, of_late = (sum(rate) for rate in zip(*rates[60:], strict=True))
    assert 0.5 <= of_early / of_late <= 2
    await settle()


# Circuits.


@pytest.fixture
def circuit(clock: ManualClock) -> Circuit:
    return Circuit("cluster", clock)


def _fail(circuit: Circuit) -> None:
    with pytest.raises(UnavailableError), circuit.call():
        raise UnavailableError("no route to host")


async def _answer(circuit: Circuit) -> None:
    """Let one task ask, and be answered."""

    async def ping() -> None:
        pass

    asking = asyncio.create_task(circuit.keep_asking(ping))
    await circuit.closed()
    asking.cancel()
    await asyncio.wait({asking})


async def test_nobody_is_let_through_while_a_circuit_is_open(
    clock: ManualClock, circuit: Circuit
) -> None:
    throttle = Throttle(10, 1, Backoff(0.1, 1), clock, [Circuit("store", clock), circuit])
    _fail(circuit)

    assert await _goes(throttle, clock, 60) == 0
    assert not await throttle.try_take()


@pytest.mark.parametrize("how", ["take", "try_take"])
async def test_after_an_outage_it_begins_slowly(
    clock: ManualClock, circuit: Circuit, how: str
) -> None:
    throttle = Throttle(10, 10, Backoff(0.1, 1), clock, [circuit])
    _fail(circuit)
    answering = asyncio.create_task(_answer(circuit))
    await clock.advance(60)
    await answering

    await getattr(throttle, how)()

    assert throttle.rate == 1
    assert await _goes(throttle, clock, 5) <= 6


async def test_an_outage_is_heeded_once(clock: ManualClock, circuit: Circuit) -> None:
    throttle = Throttle(10, 1, Backoff(0.1, 1), clock, [circuit])
    _fail(circuit)
    answering = asyncio.create_task(_answer(circuit))
    await clock.advance(60)
    await answering
    calling = asyncio.create_task(_call_for_ever(throttle, ServerOfLimit(1000, clock)))

    await clock.advance(30)

    assert throttle.rate == 10
    calling.cancel()
    await asyncio.wait({calling})
