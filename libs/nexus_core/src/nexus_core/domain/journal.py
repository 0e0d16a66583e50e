"""What is kept of a run's way beside its checkpoint, to tell why it went as it did."""

from datetime import datetime
from enum import StrEnum

import msgspec

from nexus_core.domain.names import RunKey


class RunEventKind(StrEnum):
    """What happened to a run. The spelling is stored, so it never changes."""

    SUBMITTED_AHEAD = "SubmittedAhead"
    """A supervisor submitted it ahead of the queue; the reason is `Late` or `OwnerGone`."""
    SUSPENDED = "Suspended"
    RESUMED = "Resumed"
    POD_REFUSED = "PodRefused"
    """Its Job could make no pod, for a quota or an admission rule."""
    UNSCHEDULABLE = "Unschedulable"
    SCHEDULED = "Scheduled"
    """A pod was given a node, which is the reason."""
    PULLING = "Pulling"
    """A pod waits for its image or its volumes."""
    IMAGE_NOT_PULLED = "ImageNotPulled"
    CONTAINER_NOT_CREATED = "ContainerNotCreated"
    STARTED = "Started"
    """The algorithm's container started."""
    ENDED = "Ended"
    """The algorithm's container ended, whichever way; the message begins with its exit code."""
    BACKING_OFF = "BackingOff"
    """A crashed container waits for its next start."""
    DISRUPTED = "Disrupted"
    """A pod was evicted, or its node went; this does not count against the retries."""
    JOB_ENDED = "JobEnded"
    """The reason is `Completed`, or that of the condition `Failed`."""
    JOB_DELETED = "JobDeleted"


class RunEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to a run, as it was seen.

    The same happening, seen twice, is the same event: run, kind, time and subject identify it.
    """

    key: RunKey
    at: datetime
    """When it happened, by who told of it; in UTC, kept to the millisecond."""
    kind: RunEventKind
    subject: str = ""
    """What it happened to where a run has several: the pod's name."""
    reason: str = ""
    """A word of the cluster, such as `OOMKilled`."""
    message: str = ""
    """A sentence of the cluster's own."""


class LaneState(StrEnum):
    """Why the first run of a lane is not submitted at this moment."""

    OPEN = "Open"
    """Nothing keeps it but its turn: runs go out as fast as the rate limit allows."""
    REFUSED = "Refused"
    """The cluster has just refused, or could not be reached; it is asked again after a pause."""


class LaneSample(msgspec.Struct, frozen=True, kw_only=True):
    """How a scheduler's queue for a cluster stood at some time.

    Written every few seconds while anything waits, never for each run: what held a run back is told
    by the samples between its acceptance and its submission.
    """

    owner: str
    """The scheduler."""
    cluster: str
    at: datetime
    state: LaneState
    depth: int
    """Runs that waited."""
    rate: float
    """Jobs a second that were sent at most."""
    oldest_received_at: datetime | None = None
    """Of the run whose turn was next."""
    reason: str = ""
    """In the words of the cluster, while it refuses."""


class LogTail(msgspec.Struct, frozen=True, kw_only=True):
    """The last lines that an algorithm printed."""

    text: str
    """Whole lines but for the first one, if it was cut; undecodable bytes are replaced."""
    at: datetime
    """When it was read."""
    pod: str = ""
    """The try that it is of."""
    truncated: bool = False
    """Whether there was more before."""
