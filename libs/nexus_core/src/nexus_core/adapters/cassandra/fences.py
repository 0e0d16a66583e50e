"""Ids of runs that were claimed by an idempotency key and will never be.

A fence is a row of `checkpoints` that takes the place of the run, so that a first write that is
still on its way comes to nothing. Nobody was ever told its id; to readers there is no such run.
"""

from datetime import datetime

from nexus_core.adapters.cassandra.session import UNSET, Value
from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import Stage

_CAUSE = "Never accepted: its scheduler did not record it in time, and another run took its place."


def fence_row(key: RunKey, at: datetime) -> list[Value]:
    """Return the columns of a fence, in the order of `rows.CHECKPOINT_COLUMNS`."""
    row: dict[int, Value] = {
        0: key.algorithm,
        1: key.request_id,
        2: Stage.CANCELLED.value,
        5: _CAUSE,
        8: at,
        13: at,
    }
    return [row.get(place, UNSET) for place in range(18)]


def is_fence(stage: Value, cause: Value) -> bool:
    """Tell whether a row with these columns is no run."""
    return cause == _CAUSE and stage == Stage.CANCELLED.value
