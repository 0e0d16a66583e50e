"""Whether this machine's clock agrees with those of the servers that a service stands on."""

import asyncio
from collections.abc import Mapping

import structlog
from prometheus_client import CollectorRegistry

from nexus_core.aio.inspection import Inspection
from nexus_core.domain.clock_offsets import Offset, offset, trouble_of
from nexus_core.domain.errors import UnavailableError
from nexus_core.ports.clock import Clock
from nexus_core.ports.timekeeper import Timekeeper
from nexus_core.telemetry.clock_metrics import ClockMetrics

log = structlog.get_logger()

# Whoever takes longer to say the time says little, and the others are not to wait.
_PATIENCE_SECONDS = 2.0


class ClockComparison:
    """Asks all who have a clock what it says, all at once."""

    def __init__(
        self, timekeepers: Mapping[str, Timekeeper], clock: Clock, metrics: ClockMetrics
    ) -> None:
        self._timekeepers = timekeepers
        self._clock = clock
        self._metrics = metrics

    async def look(self) -> str:
        """Return, in one line, from whose clocks this machine's is too far; empty: from none.

        Raises:
            UnavailableError: nobody said anything.
        """
        found = await asyncio.gather(*map(self._ask, self._timekeepers.values()))
        offsets = {
            part: how_far
            for part, how_far in zip(self._timekeepers, found, strict=True)
            if how_far is not None
        }
        for part, how_far in offsets.items():
            self._metrics.found(part, how_far.middle.total_seconds())
        if not offsets:
            raise UnavailableError("nobody says what time it is")
        return trouble_of(offsets)

    async def _ask(self, timekeeper: Timekeeper) -> Offset | None:
        """Return how far a clock is ahead; None: that can't be told now."""
        asked_at = self._clock.now()
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                told = await timekeeper.time()
        except (UnavailableError, TimeoutError) as error:
            # That a part is away is told of it by others.
            log.debug("clock not told", error=str(error))
            return None
        return offset(asked_at, told.at, told.within, self._clock.now())


def inspect_clocks(
    timekeepers: Mapping[str, Timekeeper], clock: Clock, registry: CollectorRegistry
) -> list[Inspection]:
    """Return what looks at the clocks again and again; nothing where there are no others."""
    comparison = ClockComparison(timekeepers, clock, ClockMetrics(registry))
    return [Inspection("clock", comparison.look, clock)] if timekeepers else []
