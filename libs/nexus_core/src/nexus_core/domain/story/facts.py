"""What a story is told from, and what it is told as."""

from datetime import datetime
from enum import StrEnum

import msgspec

from nexus_core.domain.checkpoint import Checkpoint
from nexus_core.domain.journal import LaneSample, RunEvent


class Ahead(msgspec.Struct, frozen=True):
    """How many runs wait for their turn before a run."""

    runs: int
    or_more: bool = False
    """Counting ended there."""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of a run's way, and what is not for a reason."""

    checkpoint: Checkpoint
    now: datetime
    cluster: str = ""
    """For which it is; empty when that is stored no more."""
    events: tuple[RunEvent, ...] = ()
    """Of its Job and pods, oldest first."""
    samples: tuple[LaneSample, ...] = ()
    """Of its queue, from its acceptance to its submission or until now; oldest first."""
    ahead: Ahead | None = None
    """None where it does not wait, or was not found."""
    missing: tuple[str, ...] = ()
    """What could not be read, a sentence each."""


class What(StrEnum):
    """What happened. The spelling is the API's, so it never changes."""

    ACCEPTED = "Accepted"
    BUFFERED = "Buffered"
    WAITED = "WaitedForItsTurn"
    HELD_BACK = "HeldBack"
    SUBMITTED_AHEAD = "SubmittedAhead"
    SUBMITTED = "Submitted"
    SUSPENDED = "Suspended"
    RESUMED = "Resumed"
    POD_REFUSED = "PodRefused"
    UNSCHEDULABLE = "Unschedulable"
    SCHEDULED = "Scheduled"
    PULLING = "Pulling"
    IMAGE_NOT_PULLED = "ImageNotPulled"
    CONTAINER_NOT_CREATED = "ContainerNotCreated"
    STARTED = "Started"
    KILLED = "Killed"
    ENDED = "Ended"
    BACKING_OFF = "BackingOff"
    DISRUPTED = "Disrupted"
    JOB_ENDED = "JobEnded"
    JOB_DELETED = "JobDeleted"
    COMPLETED = "Completed"
    FAILED = "Failed"
    SCHEDULING_FAILED = "SchedulingFailed"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    CANCELLED = "Cancelled"


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened to a run."""

    at: datetime
    """When, by who saw it."""
    what: What
    sentence: str
    details: str = ""
    """In the words of the cluster, or of who caused it."""
    advice: str = ""
    """What the caller can do about it; empty when nothing."""


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """How a run came to where it is."""

    headline: str
    """What it does now, or why it ended."""
    advice: str
    """What the caller can do now; empty when nothing."""
    steps: tuple[Step, ...]
    """In the order in which they happened."""
    missing: tuple[str, ...]
    """What could not be read, a sentence each."""
