"""Waiting for what no event tells of."""

import asyncio
from collections.abc import Awaitable, Callable

# Generous: it is only ever waited for in full by a test that fails.
_PATIENCE = 10.0


async def until(fact: Callable[[], object]) -> None:
    """Return as soon as something is so; other tasks and threads make it so."""
    async with asyncio.timeout(_PATIENCE):
        while not fact():  # noqa: ASYNC110 - so there is no event
            await asyncio.sleep(0.001)


async def until_so(fact: Callable[[], Awaitable[object]], patience: float = _PATIENCE) -> None:
    """Return as soon as something is so that must be asked for; asking takes a while."""
    async with asyncio.timeout(patience):
        while not await fact():  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)
