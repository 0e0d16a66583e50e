"""Watching that pods keep to their memory limits."""

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from nexus_core.adapters.process.executor import Executor
from nexus_core.adapters.process.memory import MemoryWatch

OUR_SESSION = os.getsid(0)


@pytest.fixture
async def watch() -> AsyncIterator[MemoryWatch]:
    executor = Executor()
    watch = MemoryWatch(executor, timedelta(milliseconds=1))
    running = asyncio.create_task(watch.run())
    yield watch
    running.cancel()
    await asyncio.wait({running})
    await executor.close()


async def test_a_session_over_its_limit_is_told(watch: MemoryWatch) -> None:
    async with asyncio.timeout(20):
        await watch.watch(OUR_SESSION, limit=1)


async def test_without_a_limit_nothing_is_looked_at(watch: MemoryWatch) -> None:
    exceeded = watch.watch(OUR_SESSION, limit=None)

    assert not watch._any.is_set()
    assert not exceeded.done()


async def test_with_nobody_to_watch_it_sleeps(watch: MemoryWatch) -> None:
    first, second = (watch.watch(OUR_SESSION, limit=2**60) for _ in range(2))

    first.cancel()
    await asyncio.sleep(0)
    assert watch._any.is_set()

    second.cancel()
    await asyncio.sleep(0)
    assert not watch._any.is_set()
