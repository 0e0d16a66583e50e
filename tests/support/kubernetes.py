"""Connections to API servers, for tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from nexus_core.adapters.kubernetes.access import Access
from nexus_core.adapters.kubernetes.connection import Connection
from nexus_core.ports.clock import Clock


class FixedSource:
    """Hands out what a test says, and counts how often it was asked."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self.error: Exception | None = None
        """Raised while it is set."""
        self.asked = 0
        self.asked_anew = 0

    origin = "kubeconfig /etc/shards/here.kubeconfig"

    async def load(self, *, anew: bool) -> Access:
        self.asked += 1
        self.asked_anew += anew
        if self.error is not None:
            raise self.error
        return self.access


@asynccontextmanager
async def connected(url: str, clock: Clock, patience: float = 5.0) -> AsyncIterator[Connection]:
    """Connect without credentials."""
    source = FixedSource(Access(server=url))
    async with Connection.open(source, clock, connections=8, patience=patience) as connection:
        yield connection
