"""The parts that open runs are filed in: where they are listed, begun and dropped.

A part is named by whoever begins it, belongs to one owner, and is listed in the slot of ten minutes
in which it was begun. Who begins one adds to it for a few seconds only, so that those who read it
later can tell by their own clocks when nothing more will come.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import cast

import uuid_utils
from msgspec import Struct

from nexus_core.adapters.cassandra import statements
from nexus_core.adapters.cassandra.session import CqlSession
from nexus_core.ports.clock import Clock

_ADDED_TO_FOR = 10.0
"""Seconds in which runs go to a part. Long enough to be listed seldom; then the next is begun."""

_HOLDS = 5_000
"""Runs a part takes. A partition of that size is read in one go, far below any limit."""

ANSWERED_WITHIN = 25.0
"""Seconds after its part was begun in which a run must be filed, or it is filed anew."""

CLOSED_AFTER = 45.0
"""Seconds after a part was first seen when surely nothing more is filed in it.

More than `ANSWERED_WITHIN`, both by the clocks of those who count: no two clocks are compared.
"""

SLOT_SECONDS = 600
"""How long a slot is. Its partition has a row for each part, at most a few hundred."""


class Part(Struct, frozen=True, order=True):
    """A part as it is listed."""

    cluster: str
    slot: datetime
    owner: str
    name: str


class OwnPart:
    """A part that this process has begun."""

    def __init__(self, part: Part, begun: float) -> None:
        self.part = part
        self.begun = begun
        """By the monotonic clock, before it was listed."""
        self.runs = 0


class PartRegister:
    """Lists, begins and drops parts."""

    def __init__(self, session: CqlSession, clock: Clock) -> None:
        self._session = session
        self._clock = clock
        self._own: dict[tuple[str, str], OwnPart] = {}
        self._locks: dict[tuple[str, str], asyncio.Lock] = {}

    async def newest(self, cluster: str, owner: str) -> OwnPart:
        """Return the part that a run goes to now; begins one when the last is full or old."""
        place = (cluster, owner)
        if own := self._usable(place):
            return own
        async with self._locks.setdefault(place, asyncio.Lock()):
            if own := self._usable(place):
                return own
            begun = self._clock.monotonic()
            own = OwnPart(self.named(cluster, owner), begun)
            await self.list_part(own.part)
            self._own[place] = own
        return own

    def _usable(self, place: tuple[str, str]) -> OwnPart | None:
        own = self._own.get(place)
        if own is None or own.runs >= _HOLDS:
            return None
        if self._clock.monotonic() - own.begun >= _ADDED_TO_FOR:
            return None
        own.runs += 1
        return own

    def came_too_late(self, own: OwnPart) -> bool:
        """Tell whether a run that has just been filed may have been filed in a dropped part."""
        return self._clock.monotonic() - own.begun > ANSWERED_WITHIN

    def named(self, cluster: str, owner: str) -> Part:
        """Return a new part that is not listed yet."""
        return Part(cluster, slot_of(self._clock.now()), owner, str(uuid_utils.uuid7()))

    async def list_part(self, part: Part) -> None:
        """List a part. Idempotent."""
        await self._session.batch(
            [
                (statements.ADD_SLOT, (part.cluster, part.slot)),
                (statements.ADD_PART, (part.cluster, part.slot, part.owner, part.name)),
            ]
        )

    async def slots(self, cluster: str | None = None) -> list[tuple[str, datetime]]:
        """Return cluster and time of all slots of a cluster, or of all."""
        if cluster is None:
            rows = await self._session.execute(statements.FIND_ALL_SLOTS)
        else:
            rows = await self._session.execute(statements.FIND_SLOTS, (cluster,))
        return [(cast("str", row[0]), cast("datetime", row[1])) for row in rows]

    async def parts(self, slots: Sequence[tuple[str, datetime]]) -> list[Part]:
        """Return all parts that some slots list."""
        found = await asyncio.gather(
            *(self._session.execute(statements.FIND_PARTS, slot) for slot in slots)
        )
        return [
            Part(cluster, slot, cast("str", owner), cast("str", name))
            for (cluster, slot), rows in zip(slots, found, strict=True)
            for owner, name in rows
        ]

    async def drop(self, part: Part) -> None:
        """Forget a part, first its place in the list. Idempotent."""
        await self._session.execute(
            statements.REMOVE_PART, (part.cluster, part.slot, part.owner, part.name)
        )
        await self._session.execute(statements.DROP_PART, (part.cluster, part.name))

    async def forget_slot(self, cluster: str, slot: datetime) -> None:
        """Forget a slot that lists nothing. Idempotent."""
        await self._session.execute(statements.REMOVE_SLOT, (cluster, slot))


def slot_of(time: datetime) -> datetime:
    """Return the slot that a time falls into."""
    seconds = int(time.timestamp()) // SLOT_SECONDS * SLOT_SECONDS
    return datetime.fromtimestamp(seconds, UTC)
