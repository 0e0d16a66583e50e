"""What is stored of finished runs, in the order in which they ended, to be removed in time."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from nexus_core.domain.names import RunKey
from nexus_core.domain.retirement import Ending, EndingPlace, Kept


class Retention(Protocol):
    """Finds and removes what has had its time; the cost is that of what is found.

    Runs stand in the order in which they ended, so that one that goes on for weeks holds up no
    other. Places in that order are remembered in the store, so that what was looked at once is not
    looked at again, whoever goes on.
    """

    async def ended(
        self, before: datetime, limit: int, after: EndingPlace | None = None
    ) -> Sequence[Ending]:
        """Return at most `limit` runs that ended before a time, first the first, after a place.

        Never a run that is open. None left: an empty page. A run may come twice, and it may come
        only some minutes after its end.
        """

    async def place(self, of: Kept) -> EndingPlace | None:
        """Return how far the removal of something has come; None for not begun."""

    async def move_on(self, of: Kept, to: EndingPlace) -> None:
        """Remember how far it has come. Idempotent."""

    async def remove_jobs(self, keys: Sequence[RunKey]) -> None:
        """Remove the buffered Jobs of finished runs. Idempotent."""

    async def remove_records(self, keys: Sequence[RunKey]) -> None:
        """Remove all that is recorded of finished runs: checkpoint, Job, lookup rows, journal.

        A run that is open stays as it is. Idempotent, and safe to repeat after it broke off
        anywhere.
        """

    async def tidy(self, done_before: datetime | None, now: datetime) -> None:
        """Remove what nobody needs any more, a small portion of it.

        That is what led to runs that ended before `done_before`, since nothing is to be removed of
        them any more (None: of none), and leases and idempotency keys that have long expired.
        """

    async def expiry(self) -> timedelta | None:
        """Return after how long the store itself drops what is recorded; None: never."""
