"""Waiting for news, but not for ever."""

import asyncio

from nexus_core.ports.clock import Clock


async def woken(event: asyncio.Event, within: float, clock: Clock) -> None:
    """Wait until an event is set, for at most so many seconds of a clock."""
    news = asyncio.create_task(event.wait(), name="news")
    timer = asyncio.create_task(clock.sleep(within), name="timer")
    try:
        await asyncio.wait({news, timer}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        news.cancel()
        timer.cancel()
