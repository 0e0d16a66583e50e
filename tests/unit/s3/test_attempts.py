import asyncio

import pytest

from nexus_core.adapters.s3.attempts import Attempts
from nexus_core.adapters.s3.errors import Place, TransientError
from nexus_core.domain.errors import UnavailableError
from support.clock import ManualClock

PLACE = Place("a-bucket", "https://here", "eu-west-1")


class Fails:
    """An operation that fails some times."""

    def __init__(self, *errors: UnavailableError) -> None:
        self.errors = list(errors)
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


async def test_tries_again_after_a_pause(clock: ManualClock) -> None:
    operation = Fails(TransientError("busy"), TransientError("busy"))
    running = asyncio.create_task(Attempts(PLACE, 3, 30, clock).run(operation))
    await clock.advance(0.01)
    assert operation.calls == 1
    await clock.advance(1)
    assert await running == "done"
    assert operation.calls == 3


async def test_gives_up_after_so_many_tries(clock: ManualClock) -> None:
    operation = Fails(*(TransientError(f"busy {number}") for number in range(5)))
    running = asyncio.create_task(Attempts(PLACE, 3, 30, clock).run(operation))
    await clock.advance(10)
    with pytest.raises(UnavailableError, match="busy 2"):
        await running
    assert operation.calls == 3


async def test_what_is_refused_for_good_is_asked_once(clock: ManualClock) -> None:
    operation = Fails(UnavailableError("denied"))
    with pytest.raises(UnavailableError, match="denied"):
        await Attempts(PLACE, 3, 30, clock).run(operation)
    assert operation.calls == 1


async def test_waits_as_long_as_the_server_asks(clock: ManualClock) -> None:
    operation = Fails(TransientError("busy", retry_after=5))
    running = asyncio.create_task(Attempts(PLACE, 2, 30, clock).run(operation))
    await clock.advance(4.9)
    assert operation.calls == 1
    await clock.advance(0.2)
    assert await running == "done"


async def test_a_silent_server_is_named(clock: ManualClock) -> None:
    with pytest.raises(UnavailableError, match=r"'a-bucket' at https://here did not answer"):
        await Attempts(PLACE, 3, 0.01, clock).run(asyncio.Event().wait)


async def test_who_runs_out_of_time_hears_of_the_last_failure(clock: ManualClock) -> None:
    with pytest.raises(UnavailableError, match="busy"):
        await Attempts(PLACE, 3, 0.01, clock).run(Fails(TransientError("busy")))


async def test_being_cancelled_is_no_reason_to_try_again(clock: ManualClock) -> None:
    running = asyncio.create_task(Attempts(PLACE, 3, 30, clock).run(asyncio.Event().wait))
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
