"""Removing what is kept of runs, a kind at a time. Every removal may be repeated."""

import asyncio
from collections.abc import Awaitable, Iterable, Sequence

import structlog

from nexus_core.domain.acceptance import payload_serialization
from nexus_core.domain.errors import InvalidInputError, UnavailableError
from nexus_core.domain.names import RunKey
from nexus_core.domain.request import CancellationPolicy
from nexus_core.domain.retirement import Kept
from nexus_core.operations.payload_places import PayloadPlaces
from nexus_core.ports.cluster import Cluster
from nexus_core.ports.payload_store import Content, PayloadStore
from nexus_supervisor.parts import SupervisorParts

log = structlog.get_logger()

_LISTING_LASTS = 60.0
"""Seconds. No Job comes any more for a run that ended long ago."""


class Removals:
    """Removes from those stores that this supervisor reaches.

    Only what Nexus stored itself: where a run names a result that lies elsewhere, that stays.
    """

    def __init__(self, parts: SupervisorParts, parallel: int) -> None:
        self._store = parts.store
        self._retention = parts.retention
        self._payloads = parts.payloads
        self._buffered = parts.buffered_payloads
        self._clusters = parts.clusters
        self._clock = parts.clock
        self._living: dict[RunKey, Cluster] = {}
        self._listed_at: float | None = None
        self._places = asyncio.Semaphore(parallel)

    @property
    def within_reach(self) -> frozenset[Kept]:
        """What can be removed: without a payload store, neither payloads nor results."""
        of_payload_store = {Kept.PAYLOAD, Kept.RESULT} if self._payloads is None else set()
        return frozenset(Kept) - of_payload_store

    async def remove(self, kept: Kept, keys: Sequence[RunKey]) -> None:
        """Remove something of finished runs.

        Raises:
            UnavailableError: a store can't be used now; some of it may have gone.
        """
        match kept:
            case Kept.JOB:
                await self._retention.remove_jobs(keys)
            case Kept.PAYLOAD:
                await self._each(self._remove_payload(key) for key in keys)
            case Kept.RESULT:
                await self._each(self._remove_result(key) for key in keys)
            case Kept.RECORD:
                await self._delete_living_jobs(keys)
                await self._retention.remove_records(keys)

    async def remove_content(self, content: Content, key: RunKey) -> None:
        """Remove what lies in the payload store for a run, or for none."""
        if self._payloads is not None:
            await self._payloads.delete(content, key)

    async def _remove_payload(self, key: RunKey) -> None:
        for store in await self._stores_of_payload(key):
            await store.delete(Content.PAYLOAD, key)

    async def _stores_of_payload(self, key: RunKey) -> list[PayloadStore]:
        """Return where a payload is; everywhere, where nobody knows any more."""
        if self._payloads is None:
            return []
        if self._buffered is None:
            return [self._payloads]
        run = await self._store.find(key)
        if run is None:
            return [self._payloads, self._buffered]
        places = PayloadPlaces(self._payloads, self._buffered)
        return [places.of(payload_serialization(run.applied_configuration))]

    async def _remove_result(self, key: RunKey) -> None:
        await self.remove_content(Content.RESULT, key)

    async def _delete_living_jobs(self, keys: Iterable[RunKey]) -> None:
        """Delete the Jobs that some runs still have: without a record nobody would.

        Those of other clusters are their own supervisors' to delete, a minute after the run ended.
        """
        await self._list_jobs()
        for key in keys:
            if cluster := self._living.get(key):
                log.info("job deleted, its run has had its time", request_id=key.request_id)
                await cluster.delete_job(key, CancellationPolicy.ORPHAN)
                del self._living[key]

    async def _list_jobs(self) -> None:
        """Find out which Jobs there are, once for many portions."""
        now = self._clock.monotonic()
        if self._listed_at is not None and now - self._listed_at < _LISTING_LASTS:
            return
        self._living = {
            status.key: cluster
            for cluster in self._clusters.values()
            async for status in cluster.jobs()
        }
        self._listed_at = now

    async def _each(self, removals: Iterable[Awaitable[None]]) -> None:
        """Let all come to their end, a few at a time; then raise what went wrong with one."""

        async def one(removal: Awaitable[None]) -> None:
            async with self._places:
                try:
                    await removal
                except InvalidInputError as error:
                    # A name that others gave. We store nothing under such, so nothing is there.
                    log.debug("no content can be stored for a run", error=str(error))

        outcomes = await asyncio.gather(*map(one, removals), return_exceptions=True)
        troubles = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        for trouble in troubles:
            if not isinstance(trouble, UnavailableError):
                raise trouble
        if troubles:
            raise troubles[0]
