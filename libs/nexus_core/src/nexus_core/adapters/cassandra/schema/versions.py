"""Which steps a keyspace has been through, as a table in it says."""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum

from msgspec import Struct

from nexus_core.adapters.cassandra.schema.steps import Phase, Step
from nexus_core.adapters.cassandra.session import Consistency, CqlSession, Statement

# All steps of a keyspace are in one partition.
_TARGET = "nexus"

TABLE = """
CREATE TABLE IF NOT EXISTS schema_versions (
    target text,
    step text,
    checksum text,
    applied_at timestamp,
    applied_by text,
    PRIMARY KEY ((target), step)
)
"""

_FIND = Statement(
    "SELECT step, checksum FROM schema_versions WHERE target = ?",
    consistency=Consistency.LOCAL_SERIAL,
)
_RECORD = Statement(
    "INSERT INTO schema_versions (target, step, checksum, applied_at, applied_by)"
    " VALUES (?, ?, ?, ?, ?) IF NOT EXISTS"
)


class State(Enum):
    """How a step of this release, or of another, stands in a keyspace."""

    APPLIED = "applied"
    MISSING = "missing"
    CHANGED = "changed"
    """Applied, with other statements than this release has under that name."""
    NEWER = "newer"
    """Applied, and unknown to this release."""


class Standing(Struct, frozen=True):
    """One step, and how it stands."""

    step: str
    state: State

    @property
    def phase(self) -> Phase:
        """When the step runs."""
        return Phase(self.step.rpartition("/")[2].partition(".")[0])


def standings(steps: Sequence[Step], applied: dict[str, str]) -> list[Standing]:
    """Compare what this release knows with the checksums of what was applied.

    Steps of the other variant (with indexes or without) are passed over: a keyspace may have both.
    """
    known = {step.name: step for step in steps}
    found = []
    for name, step in known.items():
        if name not in applied:
            found.append(Standing(name, State.MISSING))
        elif applied[name] != step.checksum:
            found.append(Standing(name, State.CHANGED))
        else:
            found.append(Standing(name, State.APPLIED))
    folders = {step.folder for step in steps}
    newer = [name for name in sorted(applied) if name.partition("/")[0] not in folders]
    return found + [Standing(name, State.NEWER) for name in newer]


def problems(found: Sequence[Standing]) -> list[str]:
    """Return why services of this release can't work with a keyspace; empty when they can.

    They can while later releases have only added to it, and before anything is taken away.
    """
    return [
        f"step {one.step} {_MEANING[one.state]}"
        for one in found
        if one.state is State.CHANGED
        or (one.state is State.MISSING and one.phase is Phase.PRE)
        or (one.state is State.NEWER and one.phase is Phase.POST)
    ]


def only_lacks_steps(found: Sequence[Standing]) -> bool:
    """Tell whether applying the steps of this release makes a keyspace fit for it."""
    return all(one.state in {State.APPLIED, State.MISSING} for one in found)


_MEANING = {
    State.MISSING: "is missing",
    State.CHANGED: "was applied in another form than this release has",
    State.NEWER: "is of a newer release, which took away what this one needs",
}


async def applied_steps(session: CqlSession) -> dict[str, str]:
    """Return the checksums of the applied steps, by their names."""
    rows = await session.execute(_FIND, [_TARGET])
    return {str(step): str(checksum) for step, checksum in rows}


async def record(session: CqlSession, step: Step, at: datetime, by: str) -> None:
    """Note that a step was applied. Idempotent."""
    await session.apply(_RECORD, [_TARGET, step.name, step.checksum, at, by])
