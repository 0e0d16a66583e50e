"""Bringing runs to a finished stage, and telling those who wait."""

import structlog

from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import Advance, StageChange
from nexus_core.ports.checkpoint_store import CheckpointStore
from nexus_core.ports.scheduler_callback import SchedulerCallback

log = structlog.get_logger()


class Settler:
    """Finishes runs; whoever wins the compare-and-set tells the scheduler that owns the run."""

    def __init__(self, store: CheckpointStore, callback: SchedulerCallback) -> None:
        self._store = store
        self._callback = callback

    async def settle(self, key: RunKey, change: StageChange) -> Advance:
        """Bring a run to a finished stage, if it is in none yet.

        Durable when it returns; the scheduler hears of it afterwards, in the background.
        """
        advance = await self._store.advance(key, change)
        if advance.applied:
            log.info(
                "run finished",
                request_id=key.request_id,
                algorithm=key.algorithm,
                stage=change.to,
                cause=change.cause,
            )
            self._callback.finished(key)
        return advance
