"""A journal in memory, that a test can take away."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.journal import LaneSample, LogTail, RunEvent
from nexus_core.domain.names import RunKey


class MemoryJournal:
    """Keeps what the port promises to keep."""

    def __init__(self) -> None:
        self._events: dict[tuple[RunKey, datetime, str, str], RunEvent] = {}
        self._samples: dict[tuple[str, str, datetime], LaneSample] = {}
        self._tails: dict[RunKey, LogTail] = {}
        self.writes: list[Sequence[RunEvent]] = []
        """What each call of `record` was given."""
        self.away = False
        self.open_gate = asyncio.Event()
        """Writes wait while it is cleared."""
        self.open_gate.set()

    async def record(self, events: Sequence[RunEvent]) -> None:
        await self.open_gate.wait()
        self._check()
        self.writes.append(events)
        for event in events:
            at = _millis(event.at)
            self._events[event.key, at, event.kind, event.subject] = replace(event, at=at)

    async def events(self, key: RunKey) -> Sequence[RunEvent]:
        self._check()
        found = [(place[1:], event) for place, event in self._events.items() if place[0] == key]
        return [event for _, event in sorted(found, key=lambda item: item[0])]

    async def record_lane(self, sample: LaneSample) -> None:
        self._check()
        at, oldest = _millis(sample.at), sample.oldest_received_at
        kept = replace(sample, at=at, oldest_received_at=_millis(oldest) if oldest else None)
        self._samples[sample.owner, sample.cluster, at] = kept

    async def lane(
        self, owner: str, cluster: str, since: datetime, until: datetime, limit: int
    ) -> Sequence[LaneSample]:
        self._check()
        found = [
            sample
            for (of, to, at), sample in self._samples.items()
            if (of, to) == (owner, cluster) and _millis(since) <= at <= _millis(until)
        ]
        return sorted(found, key=lambda sample: sample.at)[:limit]

    async def keep_log(self, key: RunKey, tail: LogTail) -> None:
        self._check()
        self._tails[key] = replace(tail, at=_millis(tail.at))

    async def kept_log(self, key: RunKey) -> LogTail | None:
        self._check()
        return self._tails.get(key)

    def _check(self) -> None:
        if self.away:
            raise UnavailableError("the journal is away")


def _millis(time: datetime) -> datetime:
    return time.replace(microsecond=time.microsecond // 1000 * 1000)
