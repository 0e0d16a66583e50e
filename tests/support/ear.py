"""What hears call backs in a scheduler's place."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import msgspec
from aiohttp import web
from aiohttp.test_utils import TestServer

from nexus_core.domain.callback import FINISHED_PATH, FinishedRuns
from nexus_core.domain.checkpoint import Lease
from nexus_core.domain.names import RunKey
from support.services import World


class Ear:
    """Remembers what it was told; answers and dawdles as a test says."""

    def __init__(self) -> None:
        self.calls: list[list[RunKey]] = []
        """The runs of each call that came, answered or not."""
        self.heard: list[RunKey] = []
        """The runs of the calls that were answered well."""
        self.authorization = ""
        """Of the last call."""
        self.statuses: list[int] = []
        """Of the next answers; 200 when there are no more."""
        self.attentive = asyncio.Event()
        """Answers wait while it is cleared."""
        self.attentive.set()

    async def hear(self, request: web.Request) -> web.Response:
        runs = list(msgspec.json.decode(await request.read(), type=FinishedRuns).runs)
        self.authorization = request.headers["Authorization"]
        self.calls.append(runs)
        await self.attentive.wait()
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 200:
            self.heard += runs
        return web.Response(status=status)


@asynccontextmanager
async def an_ear(world: World, owner: str = "scheduler-0") -> AsyncIterator[Ear]:
    """Hold a scheduler's lease for a minute, and hear what it is told."""
    ear = Ear()
    app = web.Application()
    app.router.add_post(FINISHED_PATH, ear.hear)
    async with TestServer(app) as server:
        lease = Lease(
            owner=owner,
            callback_url=str(server.make_url("/")),
            expires_at=world.clock.now() + timedelta(minutes=1),
        )
        await world.stores.leases.renew(lease)
        yield ear
        ear.attentive.set()
