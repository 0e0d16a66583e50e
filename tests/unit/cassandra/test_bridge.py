"""Answers that come from other threads."""

import asyncio
import threading

import pytest

from nexus_core.adapters.cassandra.bridge import Bridge


async def test_answers_and_errors_reach_their_waiters() -> None:
    loop = asyncio.get_running_loop()
    bridge = Bridge(loop)
    answered, failed = loop.create_future(), loop.create_future()
    await asyncio.to_thread(bridge.answer, 7, answered)
    await asyncio.to_thread(bridge.fail, ValueError("x"), failed)
    assert await answered == 7
    with pytest.raises(ValueError, match="x"):
        await failed


async def test_none_of_many_from_many_threads_is_missed() -> None:
    loop = asyncio.get_running_loop()
    bridge = Bridge(loop)
    waiters = [loop.create_future() for _ in range(4000)]

    def answer(first: int) -> None:
        for number in range(first, len(waiters), 4):
            bridge.answer(number, waiters[number])

    threads = [threading.Thread(target=answer, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    assert await asyncio.gather(*waiters) == list(range(4000))
    for thread in threads:
        thread.join()


async def test_who_waits_no_longer_is_not_disturbed() -> None:
    loop = asyncio.get_running_loop()
    bridge = Bridge(loop)
    gone, there = loop.create_future(), loop.create_future()
    gone.cancel()
    bridge.answer(1, gone)
    bridge.fail(ValueError(), gone)
    bridge.answer(2, there)
    assert await there == 2
    assert gone.cancelled()


def test_an_answer_after_the_loop_is_dropped() -> None:
    async def begin() -> tuple[Bridge, asyncio.Future[int]]:
        loop = asyncio.get_running_loop()
        return Bridge(loop), loop.create_future()

    bridge, waiter = asyncio.run(begin())
    bridge.answer(1, waiter)
    assert not waiter.done()
