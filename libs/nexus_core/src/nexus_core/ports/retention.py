"""What is stored of finished runs, from the oldest on, so that it can be removed in time."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from nexus_core.domain.checkpoint import RunCursor, RunSummary
from nexus_core.domain.names import RunKey


class Retention(Protocol):
    """Finds and removes what is past its time; the cost is that of what is found.

    Places are remembered in the store, so that what was looked at once is not looked at again,
    whoever goes on.
    """

    async def finished(
        self, received_before: datetime, limit: int, after: RunCursor | None = None
    ) -> Sequence[RunSummary]:
        """Return finished runs, oldest first, that were received before a time, after a place.

        Stops before the oldest run that is still open: what finishes later is met later.
        """

    async def place(self, of: str) -> RunCursor | None:
        """Return how far the removal of some kind of content has come; None for not begun."""

    async def move_on(self, of: str, to: RunCursor) -> None:
        """Remember how far it has come. Idempotent."""

    async def remove_jobs(self, keys: Sequence[RunKey]) -> None:
        """Remove buffered Jobs of finished runs. Idempotent."""

    async def remove_runs(self, keys: Sequence[RunKey]) -> None:
        """Remove all that is recorded of finished runs: checkpoint, Job, lookup rows, journal.

        Idempotent, and safe to repeat after it broke off anywhere.
        """
