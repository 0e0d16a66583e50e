"""Keeping in the journal how the queue stands, so that a run's wait can be told afterwards.

The cost is one of time, not of runs: a sample every few seconds tells the story of all that wait.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

import structlog

from nexus_core.aio.backoff import shortened
from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.journal import LaneSample
from nexus_core.ports.clock import Clock
from nexus_core.ports.journal import Journal
from nexus_core.telemetry.news import News

log = structlog.get_logger()

# How often lanes are looked at, in seconds: so soon a change is written.
_LOOK = 1.0
# How often a lane that stays as it is is written, while anything waits in it.
_EVERY = timedelta(seconds=5)


class Sampled(Protocol):
    """A lane, as far as it is sampled."""

    @property
    def cluster(self) -> str:
        """The cluster that its runs wait for."""

    def __len__(self) -> int:
        """Return how many wait."""

    def sample(self, owner: str) -> LaneSample:
        """Return how it stands now."""


class LaneSampler:
    """Writes down how the lanes of a scheduler stand, while anything waits in them."""

    def __init__(
        self, lanes: Sequence[Sampled], owner: str, journal: Journal, clock: Clock
    ) -> None:
        self._lanes = lanes
        self._owner = owner
        self._journal = journal
        self._clock = clock
        self._written: dict[str, LaneSample] = {}
        self._news = News(clock)

    async def sample_for_ever(self) -> None:
        """Sample until cancelled. What can't be written is lost: the next sample says more."""
        pause = _LOOK
        while True:
            await self._clock.sleep(pause)
            pause = _LOOK if await self._look() else shortened(_EVERY.total_seconds())

    async def _look(self) -> bool:
        """Sample the lanes in which anything waits; False where the store is away, for all."""
        for lane in self._lanes:
            if not len(lane):
                continue
            try:
                await self._sample(lane)
            except UnavailableError as error:
                if self._news.is_new(str(error)):
                    log.warning("queue not sampled", cluster=lane.cluster, error=str(error))
                return False
        return True

    async def _sample(self, lane: Sampled) -> None:
        sample = lane.sample(self._owner)
        if is_due(sample, self._written.get(lane.cluster)):
            await self._journal.record_lane(sample)
            self._written[lane.cluster] = sample
            self._news.is_over()


def is_due(sample: LaneSample, written: LaneSample | None) -> bool:
    """Tell whether a sample says more than the one that was written last."""
    if written is None or written.state is not sample.state:
        return True
    return sample.at - written.at >= _EVERY
