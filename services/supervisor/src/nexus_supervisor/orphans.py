"""Finding content of no run: its scheduler died between storing the payload and the run."""

from datetime import datetime, timedelta

import structlog

from nexus_core.domain.retirement import Kept
from nexus_core.ports.payload_store import Content
from nexus_core.ports.stored_content import StoredContent, StoredItem
from nexus_supervisor.metrics import RemovalMetrics
from nexus_supervisor.parts import SupervisorParts
from nexus_supervisor.removals import Removals
from nexus_supervisor.settings import Retention

log = structlog.get_logger()

_EVERY = 24 * 3600.0
"""Seconds between two searches. Each goes through the names of all that is stored."""

_FIRST_AFTER = 3600.0
"""Seconds after the start: one that is started again and again does not search each time."""

_AT_LEAST = timedelta(hours=1)
"""How old content must be to be an orphan: far longer than a run takes to be recorded."""

_KEPT = {Content.PAYLOAD: Kept.PAYLOAD, Content.RESULT: Kept.RESULT}


class OrphanSearch:
    """Removes what has had its time and has no run, or one that ended long ago.

    The latter is left by a clock that was set back: its run then ended before what removal had
    looked at. What an open run needs is never touched, however old.
    """

    def __init__(
        self,
        parts: SupervisorParts,
        content: StoredContent,
        removals: Removals,
        settings: Retention,
        metrics: RemovalMetrics,
    ) -> None:
        self._store = parts.store
        self._clock = parts.clock
        self._content = content
        self._removals = removals
        self._times = settings.times()
        self._metrics = metrics
        self._due = parts.clock.monotonic() + _FIRST_AFTER

    async def search_if_due(self) -> None:
        """Search once a day.

        Raises:
            UnavailableError: a store can't be used; the rest is left to the next day.
        """
        if self._clock.monotonic() >= self._due:
            self._due = self._clock.monotonic() + _EVERY
            await self.search()

    async def search(self) -> None:
        """Go through all content, and remove the orphans."""
        times = {content: self._time(content) for content in Content}
        shortest = min((time for time in times.values() if time is not None), default=None)
        if shortest is None:
            return
        now = self._clock.now()
        removed = 0
        async for items in self._content.stored_before(now - shortest):
            for item in items:
                time = times[item.content]
                if time is not None and await self._is_orphan(item, now - time):
                    await self._removals.remove_content(item.content, item.key)
                    removed += 1
        self._metrics.orphans(removed)
        if removed:
            log.info("content without a run removed", pieces=removed)

    def _time(self, content: Content) -> timedelta | None:
        time = self._times.of(_KEPT[content])
        return None if time is None else max(time, _AT_LEAST)

    async def _is_orphan(self, item: StoredItem, before: datetime) -> bool:
        if item.stored_at >= before:
            return False
        run = await self._store.find(item.key)
        return run is None or (run.lifecycle_stage.finished and run.last_modified < before)
