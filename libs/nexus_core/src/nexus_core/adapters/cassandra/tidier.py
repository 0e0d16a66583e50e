"""Keeps the parts of open runs few and small, on the way of those who sweep them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from itertools import islice

from nexus_core.adapters.cassandra.filing import Filing
from nexus_core.adapters.cassandra.finished_runs import FinishedRuns
from nexus_core.adapters.cassandra.lookups import Lookups
from nexus_core.adapters.cassandra.moves import Move, Reading, moves
from nexus_core.adapters.cassandra.open_parts import (
    CLOSED_AFTER,
    SLOT_SECONDS,
    Part,
    PartRegister,
)
from nexus_core.adapters.cassandra.open_runs import OpenRuns
from nexus_core.adapters.cassandra.turns import Turns
from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import Stage
from nexus_core.ports.clock import Clock

Stages = Callable[[Sequence[RunKey]], Awaitable[list[Stage | None]]]
"""Returns the stage of each run; None where there is no such run."""

_CHUNK = 200
"""Runs looked at together."""

_AT_ONCE = 4
"""Parts looked at together; mostly there are no more."""

_TIME = 5.0
"""Seconds that one sweep gives to it. Where nobody has swept for days, much has piled up, and the
runs that are late should not wait for all of it."""

_SLOT_CLOSED_AFTER = SLOT_SECONDS + CLOSED_AFTER


class Tidier:
    """Files what has finished as finished, moves on what is open, drops the parts it came from.

    On the way it makes good what lookups lack of the ends of runs: each is looked at here once.

    Safe to interrupt, and to do twice at once: a run is first added where it goes and then removed
    where it was, and whoever reads it twice sees one run. What it remembers is only when it first
    saw something, so one that was restarted does nothing for a while.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        register: PartRegister,
        open_runs: OpenRuns,
        finished: FinishedRuns,
        filing: Filing,
        lookups: Lookups,
    ) -> None:
        self._clock = clock
        self._register = register
        self._open_runs = open_runs
        self._finished = finished
        self._filing = filing
        self._lookups = lookups
        self._parts: Turns[Part] = Turns(CLOSED_AFTER)
        self._empty_slots: Turns[tuple[str, datetime]] = Turns(_SLOT_CLOSED_AFTER)

    async def tidy(self, cluster: str, stages: Stages) -> None:
        """Look at those parts of a cluster whose turn it is."""
        slots = await self._register.slots(cluster)
        parts = await self._register.parts(slots)
        now = self._clock.monotonic()
        readings = await self._look_at(self._parts.due(cluster, parts, now), stages)
        for move in moves(readings, self._clock.now()):
            await self._carry_out(move)
        self._parts.put_off(cluster, [reading.part for reading in readings], now)
        empty = set(slots) - {(part.cluster, part.slot) for part in parts}
        for slot in self._empty_slots.due(cluster, sorted(empty), now):
            await self._register.forget_slot(*slot)

    async def _look_at(self, parts: Sequence[Part], stages: Stages) -> list[Reading]:
        """Read as many parts as there is time for; the others are due again the next time."""
        readings: list[Reading] = []
        until = self._clock.monotonic() + _TIME
        waiting = iter(parts)
        while group := list(islice(waiting, _AT_ONCE)):
            readings += await asyncio.gather(*(self._look(part, stages) for part in group))
            if self._clock.monotonic() >= until:
                break
        return readings

    async def _look(self, part: Part, stages: Stages) -> Reading:
        """Read a part; file what has finished in it, so that it may be dropped."""
        entries = iter(await self._open_runs.of_part(part))
        filed, still_open = 0, []
        while chunk := list(islice(entries, _CHUNK)):
            filed += len(chunk)
            found = list(zip(chunk, await stages([entry.key for entry in chunk]), strict=True))
            ended = [(entry, stage) for entry, stage in found if stage and stage.finished]
            await self._finished.add(ended)
            await self._lookups.make_good(part.owner, {entry.key: to for entry, to in ended})
            still_open += [
                entry for entry, stage in found if stage is not None and not stage.finished
            ]
        return Reading(part, filed, tuple(still_open))

    async def _carry_out(self, move: Move) -> None:
        if move.runs:
            await self._filing.file(move.cluster, move.owner, move.runs)
        await asyncio.gather(*map(self._register.drop, move.sources))
