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


class PodPhase(StrEnum):
    """Where a pod is in its life."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    UNKNOWN = "Unknown"
    """Its node is not heard."""


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """Why something does not go on, in the cluster's words."""

    reason: str
    message: str = ""
    since: datetime | None = None
    """None where no state says it."""


class ContainerEnding(msgspec.Struct, frozen=True, kw_only=True):
    """How the container of a try ended."""

    exit_code: int
    reason: str
    """Such as `Completed`, `Error` or `OOMKilled`."""
    at: datetime
    message: str = ""


class PodStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One try of a Job, as its cluster holds it now."""

    uid: str
    name: str
    phase: PodPhase
    created_at: datetime
    scheduled_at: datetime | None = None
    """When it was given a node."""
    node: str = ""
    unschedulable: Trouble | None = None
    """Why no node takes it."""
    waiting: Trouble | None = None
    """Why a container of it waits: its image, its configuration, its next start."""
    image: str = ""
    """Of the container that waits."""
    started_at: datetime | None = None
    """When the algorithm's container last started."""
    restarts: int = 0
    """How often that container was started again."""
    ending: ContainerEnding | None = None
    """How that container ended last, where it has."""
    disruption: Trouble | None = None
    """What ended it from outside, such as an eviction or the loss of its node."""


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
    suspended: Trouble | None = None
    """That somebody suspended it, and since when."""
    resumed_at: datetime | None = None
    """When it last went on after somebody had suspended it."""
    deleted_at: datetime | None = None
    """When somebody asked for its deletion; it goes when its pods have ended."""
    pods: tuple[PodStatus, ...] = ()
    """Its tries, in the order in which they were made; those whose pods are gone are missing."""


class JobHandle(msgspec.Struct, frozen=True):
    """A Job that exists now."""

    uid: str
    created: bool
    """False: it was there before this call."""
