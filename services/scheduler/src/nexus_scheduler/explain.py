"""Explaining a run: reading what is stored of it, and telling its story."""

import asyncio
from collections.abc import Awaitable
from datetime import datetime, timedelta
from typing import TypeVar

from nexus_core.domain.checkpoint import BufferedJob, Checkpoint
from nexus_core.domain.errors import NotFoundError, UnavailableError
from nexus_core.domain.journal import LaneSample
from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import Stage
from nexus_core.domain.story.facts import Ahead, Facts, Story
from nexus_core.domain.story.telling import tell
from nexus_scheduler.parts import SchedulerParts

T = TypeVar("T")

# Runs that are counted before one that waits; beyond, it is "more than".
_COUNTED = 1000
# A wait longer than this is told by its last hours: nobody reads more, and samples come by seconds.
_TOLD_WAIT = timedelta(hours=6)
_MOST_SAMPLES = 6000


class Explainer:
    """Tells how runs came to where they are, whoever accepted them."""

    def __init__(self, parts: SchedulerParts) -> None:
        self._store = parts.store
        self._index = parts.index
        self._journal = parts.journal
        self._clock = parts.clock

    async def explain(self, key: RunKey) -> tuple[Checkpoint, Story]:
        """Return what is recorded of a run, and its story.

        What else is stored of it and can't be read is missing in the story, which says so.

        Raises:
            NotFoundError: there is no such run.
        """
        run = await self._store.find(key)
        if run is None:
            raise NotFoundError(f"there is no run {key}")
        return run, tell(await self._facts(run))

    async def _facts(self, run: Checkpoint) -> Facts:
        missing = _Missing()
        job, events = await asyncio.gather(
            missing.unless(self._store.find_job(run.key), "Its cluster"),
            missing.unless(self._journal.events(run.key), "What happened to its Job and pods"),
        )
        samples, ahead = await asyncio.gather(
            missing.unless(self._samples(run, job), "How its queue stood"),
            missing.unless(self._ahead(run, job), "Its place in the queue"),
        )
        return Facts(
            checkpoint=run,
            now=self._clock.now(),
            cluster=job.cluster if job else "",
            events=tuple(events or ()),
            samples=samples or (),
            ahead=ahead,
            missing=tuple(missing.sentences),
        )

    async def _samples(self, run: Checkpoint, job: BufferedJob | None) -> tuple[LaneSample, ...]:
        """Return how a run's queue stood while the run was in it."""
        if job is None:
            return ()
        until = self._left_the_queue(run)
        since = max(run.received_at, until - _TOLD_WAIT)
        owner, cluster = run.received_by_host, job.cluster
        return tuple(await self._journal.lane(owner, cluster, since, until, _MOST_SAMPLES))

    def _left_the_queue(self, run: Checkpoint) -> datetime:
        if run.sent_at is not None:
            return run.sent_at
        return run.last_modified if run.lifecycle_stage.finished else self._clock.now()

    async def _ahead(self, run: Checkpoint, job: BufferedJob | None) -> Ahead | None:
        """Return how many runs of its scheduler wait for the same cluster before a run."""
        if run.lifecycle_stage is not Stage.BUFFERED or job is None:
            return None
        found = await self._index.buffered_by(
            run.received_by_host, _COUNTED + 1, cluster=job.cluster
        )
        for place, other in enumerate(found):
            if other.key == run.key:
                return Ahead(place)
        # With fewer than were asked for, it has just left the queue.
        return Ahead(_COUNTED, or_more=True) if len(found) > _COUNTED else None


class _Missing:
    """What could not be read."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    async def unless(self, reading: Awaitable[T], what: str) -> T | None:
        """Return what is read; None where its store is away, which is remembered."""
        try:
            return await reading
        except UnavailableError as error:
            self.sentences.append(f"{what} could not be read: {error}")
            return None
