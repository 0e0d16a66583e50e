"""Keeping the ends of failed runs' logs, which go with their pods."""

import asyncio

import structlog

from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import Stage
from nexus_core.ports.cluster import Cluster
from nexus_core.settings.sections import Logs
from nexus_core.telemetry.news import News
from nexus_supervisor.metrics import StoryMetrics
from nexus_supervisor.parts import SupervisorParts

log = structlog.get_logger()

# Of the others, the algorithm never started, has said itself what became of it, or was not wanted.
_KEPT = frozenset({Stage.FAILED, Stage.DEADLINE_EXCEEDED})


class LogKeeper:
    """Keeps what the failed runs of one cluster printed last. Idempotent.

    Nothing depends on it: a log that can't be read or kept in time is lost, and said to be.
    """

    def __init__(
        self, parts: SupervisorParts, cluster: Cluster, settings: Logs, metrics: StoryMetrics
    ) -> None:
        self._journal = parts.journal
        self._cluster = cluster
        self._limit = settings.kept_bytes
        self._patience = settings.keep_timeout
        self._metrics = metrics
        self._news = News(parts.clock)

    async def keep(self, key: RunKey, stage: Stage) -> None:
        """Keep the end of a run's log, if it has failed and its pod is there. Never fails."""
        if stage not in _KEPT or not self._limit:
            return
        try:
            async with asyncio.timeout(self._patience):
                kept = await self._copy(key)
        except TimeoutError:
            self._lost(key, f"it took longer than {self._patience:g} s")
        except UnavailableError as error:
            self._lost(key, str(error))
        else:
            self._metrics.kept_log(self._cluster.name, "kept" if kept else "none")

    async def _copy(self, key: RunKey) -> bool:
        tail = await self._cluster.log(key, self._limit)
        if tail is None:
            return False
        await self._journal.keep_log(key, tail)
        return True

    def _lost(self, key: RunKey, why: str) -> None:
        self._metrics.kept_log(self._cluster.name, "lost")
        # A node or a store that is away is so for all.
        if self._news.is_new(why):
            log.warning("log of a failed run lost", request_id=key.request_id, error=why)
