"""Finding runs by tag and by host, in the two ways that stores have.

`lookups_by_index` for stores with secondary indexes, `lookups_by_table` for those without.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from nexus_core.adapters.cassandra.session import Write
from nexus_core.domain.checkpoint import Checkpoint
from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import Stage


class Lookups(Protocol):
    """What the variants differ in."""

    def first_writes(self, checkpoint: Checkpoint, stamp: Sequence[int]) -> list[Write]:
        """Return what a new run is written with beside its checkpoint."""

    async def tagged(self, tag: str) -> list[Checkpoint]:
        """Return all runs with a tag that is not empty, in no order."""

    async def retag(self, key: RunKey, tag: str, at: datetime) -> bool:
        """Give a run another tag, in any stage. False when there is no such run."""

    def stage_changed(self, key: RunKey, to: Stage) -> None:
        """Have the lookups follow a change of stage, behind the caller's back."""

    async def make_good(self, host: str, finished: Mapping[RunKey, Stage]) -> None:
        """Make good what did not follow the ends of a host's runs, wherever it got lost.

        Idempotent; costs what many runs have in common, and what was lost.
        """

    def removals(self, key: RunKey, stage: Stage, host: str, tag: str) -> list[Write]:
        """Return what removes the rows that lead to a finished run; empty means that none does."""
