"""When what is kept of finished runs has had its time."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from nexus_core.domain.names import RunKey


class Kept(StrEnum):
    """What is kept of a run, in the order in which it goes. The spelling is stored."""

    JOB = "buffered-jobs"
    PAYLOAD = "payloads"
    RESULT = "results"
    RECORD = "records"
    """The checkpoint, and all that leads to it or tells of it. Last: nobody knows of the rest
    without it."""


class EndingPlace(msgspec.Struct, frozen=True):
    """A place in the order of endings."""

    at: datetime
    """When a run ended, or was found to have ended."""
    mark: str = ""
    """What tells it from others of that time, in the store's own way; empty: before all of them."""


class Ending(msgspec.Struct, frozen=True):
    """A run that has finished."""

    key: RunKey
    place: EndingPlace


class RetentionTimes(msgspec.Struct, frozen=True, kw_only=True):
    """For how long things are kept after their run has ended; None: for good, as far as we go."""

    buffered_jobs: timedelta | None
    payloads: timedelta | None
    results: timedelta | None
    records: timedelta | None

    def of(self, kept: Kept) -> timedelta | None:
        """Return the time of one kind."""
        times = (self.buffered_jobs, self.payloads, self.results, self.records)
        return dict(zip(Kept, times, strict=True))[kept]

    @property
    def removed(self) -> list[Kept]:
        """What is removed at some time, in the order in which it goes."""
        return [kept for kept in Kept if self.of(kept) is not None]

    def outlives_its_record(self) -> Kept | None:
        """Return what would be kept longer than the record that leads to it; None for nothing."""
        if self.records is None:
            return None
        for kept in self.removed:
            time = self.of(kept)
            if time is not None and time > self.records:
                return kept
        return None


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How far removal has come, and what one supervisor can do about it."""

    times: RetentionTimes
    places: Mapping[Kept, EndingPlace]
    """Of the kinds whose removal has begun, whoever did it."""
    within_reach: frozenset[Kept]
    """What this supervisor can remove: one without a payload store can't do all."""
    expiry: timedelta | None = None
    """After how long the store drops records by itself; None: never."""

    def removable_before(self, kept: Kept, now: datetime) -> datetime | None:
        """Return the time such that what is kept of runs that ended before it may go.

        A record goes when all else has gone that is to be removed of its run: where a payload store
        is away, or another supervisor alone reaches it, records wait. None: there is nothing to do.
        """
        time = self.times.of(kept)
        if time is None or kept not in self.within_reach:
            return None
        if kept is not Kept.RECORD:
            return now - time
        if self._left_to_the_store or None in self._ahead_of_records():
            return None
        return min([now - time, *self._come(self._ahead_of_records())])

    def done_before(self, now: datetime) -> datetime | None:
        """Return the time such that nothing is to be removed any more of runs that ended before.

        None: something has not begun yet.
        """
        awaited = self._ahead_of_records()
        if self.times.records is not None and not self._left_to_the_store:
            awaited.append(self.places.get(Kept.RECORD))
        return None if None in awaited else min([now, *self._come(awaited)])

    @property
    def _left_to_the_store(self) -> bool:
        """Whether the store drops records no later than we would."""
        records = self.times.records
        return records is None or (self.expiry is not None and self.expiry <= records)

    def _ahead_of_records(self) -> list[EndingPlace | None]:
        """Return the places of all that goes before a record does.

        What nobody reaches has no place, and is not waited for.
        """
        return [
            self.places.get(kept)
            for kept in self.times.removed
            if kept is not Kept.RECORD and (kept in self.within_reach or kept in self.places)
        ]

    @staticmethod
    def _come(places: Iterable[EndingPlace | None]) -> list[datetime]:
        return [place.at for place in places if place is not None]
