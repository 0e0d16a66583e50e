"""Every adapter of leader election, and how time passes for it."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import uuid4

import pytest

from nexus_core.adapters.sqlite.leader_election import SqliteLeaderElection
from nexus_core.ports.leader_election import LeaderElection
from support.clock import ManualClock
from support.every_store import Stores

Pass = Callable[[timedelta], Awaitable[None]]


@pytest.fixture
def election(stores: Stores) -> LeaderElection:
    return stores.election


@pytest.fixture
def let_pass(stores: Stores, clock: ManualClock) -> Pass:
    """Let time pass, by the clock that decides: ours for a file, else the server's."""

    async def let_pass(time: timedelta) -> None:
        if isinstance(stores.election, SqliteLeaderElection):
            await clock.advance(time.total_seconds())
        else:
            await asyncio.sleep(time.total_seconds())

    return let_pass


@pytest.fixture
def role() -> str:
    return f"supervisor/{uuid4()}"
