"""The lifecycle of a run: its stages, and the one table of changes between them."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

import msgspec


class Stage(StrEnum):
    """Where a run is in its life. The spelling is the wire's."""

    NEW = "NEW"
    BUFFERED = "BUFFERED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    SCHEDULING_FAILED = "SCHEDULING_FAILED"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    CANCELLED = "CANCELLED"

    @property
    def finished(self) -> bool:
        """Whether a run in this stage never changes its stage again."""
        return self not in OPEN_STAGES


OPEN_STAGES = frozenset({Stage.NEW, Stage.BUFFERED, Stage.RUNNING})
FINISHED_STAGES = frozenset(Stage) - OPEN_STAGES

SOURCES: Mapping[Stage, frozenset[Stage]] = MappingProxyType(
    {
        Stage.NEW: frozenset(),
        Stage.BUFFERED: frozenset({Stage.NEW}),
        Stage.RUNNING: frozenset({Stage.BUFFERED}),
        Stage.COMPLETED: frozenset({Stage.BUFFERED, Stage.RUNNING}),
        Stage.FAILED: frozenset({Stage.BUFFERED, Stage.RUNNING}),
        Stage.SCHEDULING_FAILED: frozenset({Stage.NEW, Stage.BUFFERED, Stage.RUNNING}),
        Stage.DEADLINE_EXCEEDED: frozenset({Stage.BUFFERED, Stage.RUNNING}),
        Stage.CANCELLED: frozenset({Stage.NEW, Stage.BUFFERED, Stage.RUNNING}),
    },
)
"""For each stage, the stages that a run may come from: what a compare-and-set compares with."""


class StageChange(msgspec.Struct, frozen=True, kw_only=True):
    """A wish to bring a run to a stage, with what is to be recorded in the same write.

    Empty strings and None leave the recorded value as it is.
    """

    to: Stage
    at: datetime
    """When, in UTC; becomes `last_modified`."""
    cause: str = ""
    """A sentence for the caller; becomes `algorithm_failure_cause`."""
    details: str = ""
    """What was observed, in the words of who observed it."""
    result_uri: str = ""
    sent_at: datetime | None = None
    job_uid: str = ""


class Advance(msgspec.Struct, frozen=True):
    """What became of a `StageChange`."""

    applied: bool
    """Whether this very call changed the stage."""
    stage: Stage | None
    """The stage that the run is in after the call; None when there is no such run."""
