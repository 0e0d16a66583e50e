"""Finding runs by something else than their key."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from nexus_core.domain.checkpoint import Checkpoint, OpenRun, RunCursor, RunFilter, RunSummary
from nexus_core.domain.names import RunKey


class RunIndex(Protocol):
    """Looks runs up; the cost is that of what is found, never that of what is stored."""

    async def tagged(self, tag: str) -> Sequence[Checkpoint]:
        """Return all runs with a tag, newest first."""

    async def children(self, parent: RunKey) -> Sequence[RunKey]:
        """Return the runs whose parent is this one, in any stage."""

    async def runs(
        self,
        where: RunFilter,
        limit: int,
        after: RunCursor | None = None,
    ) -> Sequence[RunSummary]:
        """Return at most `limit` runs, newest first, that come after the cursor in that order."""

    async def open_runs(
        self,
        cluster: str,
        received_before: datetime,
        limit: int,
        after: RunCursor | None = None,
    ) -> Sequence[OpenRun]:
        """Return unfinished runs for a cluster, oldest first, that were received before a time."""

    async def buffered_by(
        self,
        owner: str,
        limit: int,
        after: RunCursor | None = None,
        cluster: str | None = None,
    ) -> Sequence[OpenRun]:
        """Return the `BUFFERED` runs of one scheduler, oldest first; for one cluster or all."""
