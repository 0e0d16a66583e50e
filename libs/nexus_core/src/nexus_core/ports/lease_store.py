"""Which schedulers are alive."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from nexus_core.domain.checkpoint import Lease


class LeaseStore(Protocol):
    """Keeps one lease a scheduler."""

    async def renew(self, lease: Lease) -> None:
        """Record a lease, replacing the owner's earlier one. Repeating it is harmless."""

    async def release(self, owner: str, at: datetime) -> None:
        """Let a lease expire now, so that others may take over at once. Idempotent."""

    async def alive(self, at: datetime) -> Sequence[Lease]:
        """Return all leases that have not expired by a time."""

    async def expired(self, at: datetime) -> Sequence[Lease]:
        """Return all leases that have expired by a time, that very time included."""
