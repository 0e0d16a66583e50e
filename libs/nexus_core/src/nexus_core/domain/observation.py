"""What a cluster tells of Jobs and their pods, stripped to what Nexus decides on."""

from datetime import datetime
from enum import StrEnum

import msgspec

from nexus_core.domain.names import RunKey


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
    unprepared: Trouble | None = None
    """That its volumes or its network are not there yet, on the node that took it."""
    waiting: Trouble | None = None
    """Why a container of it waits: its image, its configuration, its next start.

    Where no state says since when, a cluster that heard an event of it goes by that.
    """
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
    deleted_at: datetime | None = None
    """When somebody asked for its deletion."""


class JobStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The truth about the Job of a run, as its cluster holds it now, or held it last."""

    key: RunKey
    uid: str
    phase: JobPhase
    created_at: datetime
    attended_at: datetime | None = None
    """When its cluster began to make pods of it; None while it has not come to that."""
    started: bool = False
    """Whether a container of it ever started."""
    refused: Trouble | None = None
    """Why it can make no pod, where its cluster said so."""
    failing: bool = False
    """Whether its cluster has given it up and is ending its pods; it has failed once they are."""
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
    """When somebody asked for its deletion, or when it was found to be gone."""
    pods: tuple[PodStatus, ...] = ()
    """Its tries, in the order in which they were made; those whose pods are gone are missing."""


class JobHandle(msgspec.Struct, frozen=True):
    """A Job that exists now."""

    uid: str
    created: bool
    """False: it was there before this call."""


def headline(status: JobStatus) -> tuple[str, str]:
    """Return what says most of a state: the kind of object, and a word of Kubernetes for it.

    There are few of them, so that they can be counted.
    """
    if status.deleted_at is not None:
        return "Job", "Deleted"
    if status.phase is not JobPhase.ACTIVE:
        return "Job", status.reason or "Completed"
    if status.suspended is not None:
        return "Job", "Suspended"
    if not status.pods:
        return "Job", status.refused.reason if status.refused else "Created"
    return "Pod", _word_of(status.pods[-1])


def _word_of(pod: PodStatus) -> str:
    trouble = pod.disruption or pod.unschedulable or pod.unprepared or pod.waiting
    if trouble is not None:
        return trouble.reason
    if pod.phase is not PodPhase.RUNNING and pod.ending is not None:
        return pod.ending.reason
    return "Started" if pod.started_at else str(pod.phase)
