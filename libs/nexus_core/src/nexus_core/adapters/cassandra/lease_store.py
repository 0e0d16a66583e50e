"""The port `LeaseStore` in Cassandra."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from nexus_core.adapters.cassandra import statements
from nexus_core.adapters.cassandra.rows import lease_of, whole_millis
from nexus_core.adapters.cassandra.session import CqlSession
from nexus_core.domain.checkpoint import Lease

_REMEMBERED_FOR = timedelta(days=7)
"""How long after its last renewal a lease is told of as expired.

Long against any outage of a supervisor, which submits what the owner left behind; short against
the number of pods that come and go, each under a name of its own.
"""


class CassandraLeaseStore:
    """Keeps one row a scheduler, all in one partition; see the port for what it promises.

    Rows are overwritten and go with their time, nothing is deleted. Only its owner writes a lease.
    """

    def __init__(self, session: CqlSession) -> None:
        self._session = session

    async def renew(self, lease: Lease) -> None:
        """Record a lease, replacing the owner's earlier one. Repeating it is harmless."""
        life = int(_REMEMBERED_FOR.total_seconds())
        values = (lease.owner, lease.callback_url, whole_millis(lease.expires_at), life)
        await self._session.execute(statements.RENEW_LEASE, values)

    async def release(self, owner: str, at: datetime) -> None:
        """Let a lease expire now, so that others may take over at once. Idempotent."""
        rows = await self._session.execute(statements.FIND_LEASE, (owner,))
        for lease in map(lease_of, rows):
            # A lease that ended earlier is not brought forward.
            if lease.expires_at > at:
                url = lease.callback_url
                await self.renew(Lease(owner=owner, callback_url=url, expires_at=at))

    async def alive(self, at: datetime) -> Sequence[Lease]:
        """Return all leases that have not expired by a time."""
        return [lease for lease in await self._all() if lease.expires_at > at]

    async def expired(self, at: datetime) -> Sequence[Lease]:
        """Return all leases that have expired by a time, that very time included."""
        return [lease for lease in await self._all() if lease.expires_at <= at]

    async def _all(self) -> list[Lease]:
        rows = await self._session.execute(statements.FIND_LEASES)
        return sorted(map(lease_of, rows), key=lambda lease: lease.expires_at)
