"""Who of several does what one should do at a time."""

from datetime import timedelta
from typing import Protocol


class LeaderElection(Protocol):
    """Lets at most one candidate lead a role at a time, as long as clocks and pauses are sane.

    A candidate that was frozen may believe for a moment that it leads still: what leaders do must
    be safe to do twice. The store's own sense of time decides when a lease has run out, wherever it
    has one.
    """

    async def lead(self, role: str, candidate: str, duration: timedelta) -> bool:
        """Become the leader of a role, or stay it, for a duration from now.

        One atomic compare-and-set. False: another candidate's lease has not run out. The time
        counts from before the call, since an answer may come late.
        """

    async def resign(self, role: str, candidate: str) -> None:
        """Give a role up, so that others may lead at once. Idempotent, by anybody."""
