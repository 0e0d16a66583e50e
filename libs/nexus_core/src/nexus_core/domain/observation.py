"""What a cluster tells of Jobs and their pods, stripped to what Nexus decides on."""

from datetime import datetime
from enum import StrEnum

import msgspec

from nexus_core.domain.names import RunKey


class ObjectKind(StrEnum):
    """The kind of object that something happened to."""

    JOB = "Job"
    POD = "Pod"


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """Something happened to the Job of a run, or to its pod.

    Observations may be missed, doubled, late or out of order: they make an answer fast, not true.
    """

    key: RunKey
    kind: ObjectKind
    reason: str
    """Kubernetes' word for it, such as `Started`, `BackOff`, `DeadlineExceeded`."""
    message: str
    """The cluster's own sentence."""
    at: datetime
    exit_code: int | None = None
    """Of the container that ended last, where one did."""
    termination_reason: str = ""
    """Kubernetes' word for how that container ended, such as `Error` or `OOMKilled`."""
    job_uid: str = ""


class JobPhase(StrEnum):
    """Where a Job is in its life."""

    ACTIVE = "Active"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


class JobStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The truth about the Job of a run, as its cluster holds it now."""

    key: RunKey
    uid: str
    phase: JobPhase
    created_at: datetime
    started: bool = False
    """Whether a container of it ever started."""
    finished_at: datetime | None = None
    reason: str = ""
    """Of the condition `Failed`, such as `BackoffLimitExceeded`; empty while there is none."""
    message: str = ""
    exit_code: int | None = None
    """Of the container that ended last, where one did."""
    termination_reason: str = ""


class JobHandle(msgspec.Struct, frozen=True):
    """A Job that exists now."""

    uid: str
    created: bool
    """False: it was there before this call."""
