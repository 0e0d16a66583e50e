import asyncio

from nexus_core.aio.token_bucket import TokenBucket
from support.clock import ManualClock, settle


async def _take(bucket: TokenBucket, clock: ManualClock, times: list[float]) -> None:
    await bucket.take()
    times.append(clock.monotonic())


async def test_a_burst_goes_at_once_and_the_rest_at_the_rate() -> None:
    clock = ManualClock()
    bucket = TokenBucket(rate=10, burst=3, clock=clock)
    times: list[float] = []
    takers = [asyncio.create_task(_take(bucket, clock, times)) for _ in range(6)]
    await clock.advance(1)
    await asyncio.gather(*takers)
    assert [round(time, 6) for time in times] == [0, 0, 0, 0.1, 0.2, 0.3]


async def test_tokens_pile_up_to_the_burst_and_no_further() -> None:
    clock = ManualClock()
    bucket = TokenBucket(rate=10, burst=3, clock=clock)
    await clock.advance(60)
    times: list[float] = []
    takers = [asyncio.create_task(_take(bucket, clock, times)) for _ in range(4)]
    await settle()
    assert len(times) == 3
    await clock.advance(0.1)
    await asyncio.gather(*takers)
    assert len(times) == 4


async def test_the_rate_holds_over_a_long_time() -> None:
    clock = ManualClock()
    bucket = TokenBucket(rate=100, burst=1, clock=clock)
    times: list[float] = []
    takers = [asyncio.create_task(_take(bucket, clock, times)) for _ in range(1000)]
    await clock.advance(5)
    assert 500 <= len(times) <= 501
    for taker in takers:
        taker.cancel()
    await asyncio.wait(takers)
