"""Where what happened to runs is kept, beyond the lives of their pods."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from nexus_core.domain.journal import LaneSample, LogTail, RunEvent
from nexus_core.domain.names import RunKey


class Journal(Protocol):
    """Keeps events, queue samples and the ends of logs, so that a run's story can be told.

    Nothing is decided by it: what can't be written is lost, and no run ends otherwise for that.
    Times are kept to the millisecond. Entries go with their runs, or by themselves after a time.
    """

    async def record(self, events: Sequence[RunEvent]) -> None:
        """Keep events, of any runs. Idempotent: the same event replaces itself."""

    async def events(self, key: RunKey) -> Sequence[RunEvent]:
        """Return what was recorded of a run, oldest first."""

    async def record_lane(self, sample: LaneSample) -> None:
        """Keep a sample of a lane. Idempotent for the same owner, cluster and time."""

    async def lane(
        self, owner: str, cluster: str, since: datetime, until: datetime, limit: int
    ) -> Sequence[LaneSample]:
        """Return at most `limit` samples of a lane, oldest first; both bounds inclusive."""

    async def keep_log(self, key: RunKey, tail: LogTail) -> None:
        """Keep the end of a run's log, replacing an earlier one."""

    async def kept_log(self, key: RunKey) -> LogTail | None:
        """Return what was kept of a run's log; None for nothing."""
