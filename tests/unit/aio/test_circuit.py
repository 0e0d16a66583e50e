"""A part that fails is no longer called, and asked now and then whether it is back."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from nexus_core.aio.circuit import Circuit, CircuitOpenError, CircuitPace
from nexus_core.aio.tasks import BackgroundTasks
from nexus_core.domain.errors import HeldUpError, JobRejectedError, NotNowError, UnavailableError
from support.clock import ManualClock, settle

AWAY = UnavailableError("no route to host")
PACE = CircuitPace(failures=3, first_pause=2, longest_pause=16, heartbeat=5)


class Part:
    """Something that answers, or fails as a test says."""

    def __init__(self, clock: ManualClock) -> None:
        self.circuit = Circuit("cluster europe", clock, PACE)
        self.error: Exception | None = None
        self.pings: list[float] = []
        self._clock = clock

    async def ping(self) -> None:
        self.pings.append(self._clock.monotonic())
        if self.error:
            raise self.error

    def call(self, error: Exception | None = None) -> None:
        """Go through one call, which fails as given."""
        if error is None:
            with self.circuit.call():
                return
        with pytest.raises(type(error)), self.circuit.call():
            raise error


@pytest.fixture
async def part(clock: ManualClock) -> AsyncIterator[Part]:
    """A part that has answered once."""
    part = Part(clock)
    async with BackgroundTasks() as tasks:
        tasks.start("ask", part.circuit.keep_asking(part.ping))
        await settle()
        yield part
        assert not tasks.fault.done()


def state_of(part: Part) -> str:
    return part.circuit.condition.state.value


def break_off(part: Part) -> None:
    """Let a part be away, and be found out."""
    part.error = AWAY
    for _ in range(3):
        part.call(AWAY)
    assert state_of(part) == "open"


async def test_failures_in_a_row_open_it_and_then_nothing_is_called(part: Part) -> None:
    for _ in range(2):
        part.call(AWAY)
        assert state_of(part) == "closed"
    part.call(AWAY)

    with pytest.raises(CircuitOpenError, match="cluster europe can't be used now: no route"):
        part.circuit.check()
    called = False
    with pytest.raises(CircuitOpenError), part.circuit.call():
        called = True
    assert not called


async def test_a_success_in_between_forgives(part: Part) -> None:
    for _ in range(10):
        part.call(AWAY)
        part.call(AWAY)
        part.call()
    assert state_of(part) == "closed"


@pytest.mark.parametrize(
    "error", [NotNowError("too many requests"), JobRejectedError("no such image")]
)
async def test_who_refuses_can_be_reached(part: Part, error: Exception) -> None:
    for _ in range(2):
        part.call(AWAY)
    part.call(error)
    for _ in range(2):
        part.call(AWAY)
    assert state_of(part) == "closed"


async def test_calls_that_were_cancelled_or_broke_tell_nothing(part: Part) -> None:
    for _ in range(2):
        part.call(AWAY)
    part.call(RuntimeError("a fault of ours"))
    part.call(HeldUpError("nothing was sent"))
    with pytest.raises(asyncio.CancelledError), part.circuit.call():
        raise asyncio.CancelledError
    assert state_of(part) == "closed"
    part.call(AWAY)
    assert state_of(part) == "open"


async def test_it_is_asked_after_a_pause_by_one_and_its_answer_closes_it(
    part: Part, clock: ManualClock
) -> None:
    break_off(part)
    part.error = None
    waiting = [asyncio.create_task(part.circuit.closed()) for _ in range(100)]
    before = len(part.pings)

    await clock.advance(0.9)
    assert state_of(part) == "open"
    await clock.advance(1.1)

    assert state_of(part) == "closed"
    assert len(part.pings) == before + 1
    await asyncio.wait_for(asyncio.gather(*waiting), 1)
    part.circuit.check()


async def test_while_it_is_asked_nobody_else_calls(clock: ManualClock) -> None:
    part = Part(clock)
    part.call(AWAY)

    async def hang() -> None:
        await asyncio.Event().wait()

    asking = asyncio.create_task(part.circuit.keep_asking(hang))
    await clock.advance(2)
    assert state_of(part) == "half-open"
    with pytest.raises(CircuitOpenError):
        part.circuit.check()

    asking.cancel()
    await asyncio.wait({asking})

    # Who asked was cancelled: the next may ask.
    assert state_of(part) == "open"


async def test_pauses_grow_to_a_bound_and_are_jittered(part: Part, clock: ManualClock) -> None:
    break_off(part)
    part.pings.clear()

    await clock.advance(300)

    pauses = [later - sooner for sooner, later in zip(part.pings, part.pings[1:], strict=False)]
    assert 2 <= pauses[0] <= 4
    assert all(8 <= pause <= 16 for pause in pauses[3:])
    assert len(set(pauses[3:])) == len(pauses[3:])


async def test_a_part_that_is_asked_well_and_fails_when_called_is_left_alone_for_longer(
    part: Part, clock: ManualClock
) -> None:
    opened = 0
    for _ in range(600):
        if part.circuit.is_closed:
            part.call(AWAY)
        opened = part.circuit.openings
        await clock.advance(0.1)
    # In a minute: with the shortest pause each time it would be some thirty.
    assert 4 <= opened <= 12


async def test_an_outage_long_after_another_begins_with_the_first_pause(
    part: Part, clock: ManualClock
) -> None:
    break_off(part)
    await clock.advance(60)
    part.error = None
    await clock.advance(60)
    assert state_of(part) == "closed"
    break_off(part)
    part.error = None

    await clock.advance(2)

    assert state_of(part) == "closed"


async def test_what_the_part_wishes_is_waited_out_within_bounds(
    part: Part, clock: ManualClock
) -> None:
    for _ in range(3):
        part.call(UnavailableError("shutting down", retry_after=3600))
    await clock.advance(15.9)
    assert state_of(part) == "open"
    await clock.advance(0.2)
    assert state_of(part) == "closed"


async def test_late_news_of_an_outage_opens_nothing_again(part: Part, clock: ManualClock) -> None:
    slow = [part.circuit.call() for _ in range(3)]
    for call in slow:
        call.__enter__()
    break_off(part)
    part.error = None
    await clock.advance(2)
    assert state_of(part) == "closed"

    for call in slow:
        call.__exit__(UnavailableError, AWAY, None)

    assert state_of(part) == "closed"
    part.call(AWAY)
    assert state_of(part) == "closed"


async def test_it_is_known_to_be_away_though_nobody_calls(part: Part, clock: ManualClock) -> None:
    part.error = AWAY
    await clock.advance(4.9)
    assert state_of(part) == "closed"
    await clock.advance(1.2)
    assert state_of(part) == "open"
    condition = part.circuit.condition
    assert condition.reason == "no route to host"
    assert condition.since is not None
    assert condition.next_try is not None
    assert timedelta() < condition.next_try - clock.now() <= timedelta(seconds=2)


async def test_one_that_is_called_is_not_asked(part: Part, clock: ManualClock) -> None:
    for _ in range(100):
        await clock.advance(1)
        part.call()
    assert len(part.pings) == 1


async def test_the_first_answer_of_all_is_believed(clock: ManualClock) -> None:
    part = Part(clock)
    part.call(AWAY)
    assert state_of(part) == "open"


async def test_who_is_refused_is_told_when_to_come_again_and_not_all_at_once(part: Part) -> None:
    break_off(part)
    told = set()
    for _ in range(50):
        with pytest.raises(CircuitOpenError) as refused:
            part.circuit.check()
        told.add(refused.value.retry_after)
    assert len(told) > 40
    assert all(told)
    assert 1 <= min(t for t in told if t) <= max(t for t in told if t) <= 4


async def test_a_check_that_is_broken_itself_is_no_answer_and_ends_nothing(
    part: Part, clock: ManualClock
) -> None:
    part.error = RuntimeError("a fault of ours")
    await clock.advance(7)
    assert part.circuit.condition.reason == "its check failed: RuntimeError"


@pytest.mark.parametrize(("retry_after", "state"), [(None, "open"), (1.0, "closed")])
async def test_a_part_that_may_not_be_asked_is_of_no_use_and_one_that_is_busy_is(
    part: Part, clock: ManualClock, retry_after: float | None, state: str
) -> None:
    part.error = NotNowError("cannot list Jobs", retry_after)
    await clock.advance(60)
    assert state_of(part) == state


async def test_an_outage_is_logged_once_and_so_is_its_end(part: Part, clock: ManualClock) -> None:
    with capture_logs() as logs:
        break_off(part)
        await clock.advance(100)
        part.error = None
        await clock.advance(100)
    assert [(line["event"], line["part"]) for line in logs] == [
        ("circuit opened", "cluster europe"),
        ("circuit closed", "cluster europe"),
    ]
    assert 100 <= logs[-1]["away_for"] <= 116


async def test_another_reason_is_said_and_so_is_one_that_lasts(
    part: Part, clock: ManualClock
) -> None:
    with capture_logs() as logs:
        break_off(part)
        await clock.advance(100)
        part.error = UnavailableError("wrong password")
        await clock.advance(400)
    reasons = [line["reason"] for line in logs]
    assert reasons == ["no route to host", "wrong password", "wrong password"]


async def test_a_circuit_that_opens_again_and_again_is_not_said_each_time(
    part: Part, clock: ManualClock
) -> None:
    with capture_logs() as logs:
        for _ in range(2400):
            if part.circuit.is_closed:
                part.call(AWAY)
            await clock.advance(0.1)
    assert [line["event"] for line in logs] == ["circuit opened", "circuit closed"]
