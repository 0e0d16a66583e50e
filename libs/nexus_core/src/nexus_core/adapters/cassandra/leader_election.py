"""The port `LeaderElection` in Cassandra."""

from datetime import timedelta
from math import ceil
from uuid import uuid4

from nexus_core.adapters.cassandra import statements
from nexus_core.adapters.cassandra.errors import OutcomeUnknownError
from nexus_core.adapters.cassandra.session import CqlSession
from nexus_core.domain.errors import UnavailableError

_OUTLIVES = 2
"""Seconds by which a row outlives the lease that it stands for.

Servers count in whole seconds, so that a row may be gone up to one before its time; the other is
for their clocks, which differ a little from one to the next. A leader counts for itself, from
before it asked.
"""

_TRIES = 3
"""How often it is asked for a lease whose outcome is unknown."""


class CassandraLeaderElection:
    """Keeps one row a role, which its time to live takes away; see the port for what it promises.

    The servers' clocks alone say when a lease has run out. A row is written by lightweight
    transactions alone; each names the call that it is of, so that one whose answer did not come
    can be told from those before and after it.
    """

    def __init__(self, session: CqlSession) -> None:
        self._session = session

    async def lead(self, role: str, candidate: str, duration: timedelta) -> bool:
        """Become the leader of a role, or stay it, for a duration from now.

        One transaction for who leads and for who does not; a second to take a role that is free.

        Raises:
            UnavailableError: it is unknown whether it happened; repeating is harmless.
        """
        life = ceil(duration.total_seconds()) + _OUTLIVES
        for _ in range(_TRIES):
            leads = await self._ask(role, candidate, life)
            if leads is not None:
                return leads
        raise UnavailableError(f"it is unknown who leads {role}", retry_after=1.0)

    async def resign(self, role: str, candidate: str) -> None:
        """Give a role up, so that others may lead at once. Idempotent, by anybody.

        Raises:
            UnavailableError: it is unknown whether it happened; time does it then.
        """
        await self._session.apply(statements.RESIGN, (role, candidate))

    async def _ask(self, role: str, candidate: str, life: int) -> bool | None:
        """Ask once; None when it is unknown what became of it, and it may be tried again."""
        renewal = uuid4().hex
        row = (life, candidate, renewal, role)
        try:
            # Renewing is tried first: a leader does it all the time, and who does not lead hears
            # with the refusal that somebody does.
            outcome = await self._session.apply(statements.LEAD, (*row, candidate))
            if not outcome.applied and outcome.current.get("candidate") is None:
                outcome = await self._session.apply(statements.LEAD, (*row, None))
        except OutcomeUnknownError:
            return await self._settled(role, candidate, renewal)
        return outcome.applied

    async def _settled(self, role: str, candidate: str, renewal: str) -> bool | None:
        """Find out about a call whose outcome is unknown; None when it may be tried again.

        A row of ours that names an earlier call ends before what we asked for would.
        """
        rows = await self._session.execute(statements.FIND_LEADER_SERIALLY, (role,))
        if not rows:
            return None
        leader, last = rows[0]
        if last == renewal:
            return True
        return None if leader == candidate else False
