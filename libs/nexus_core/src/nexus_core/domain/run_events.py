"""What the state of a Job and its pods tells of the run's way, as events to be kept.

States say when each thing happened, so that whoever looks at the same Job, and however often, tells
the same events.
"""

from collections.abc import Iterator
from datetime import datetime
from functools import partial

from nexus_core.domain.journal import RunEvent, RunEventKind
from nexus_core.domain.observation import JobPhase, JobStatus, PodStatus

COMPLETED = "Completed"
"""The reason of the end of a container, or of a Job, that succeeded."""

# Why a container waits that has nothing to complain of: its image is on the way, or its volumes.
_PATIENT = frozenset({"", "ContainerCreating", "PodInitializing"})
# All other words for an image that can't be had name it: `ErrImagePull`, `InvalidImageName`.
_NO_IMAGE = frozenset({"RegistryUnavailable", "SignatureValidationFailed"})
_CRASHED = "CrashLoopBackOff"


def run_events(status: JobStatus) -> list[RunEvent]:
    """Return what the status of a run's Job tells of its way, oldest first."""
    events = [*_job_events(status)]
    for pod in status.pods:
        events += _pod_events(status, pod)
    # A sort that keeps the order of equals: clusters tell whole seconds.
    return sorted(events, key=lambda event: event.at)


def _job_events(status: JobStatus) -> Iterator[RunEvent]:
    tell = partial(RunEvent, key=status.key)
    if (suspended := status.suspended) is not None:
        yield tell(
            kind=RunEventKind.SUSPENDED,
            at=suspended.since or status.created_at,
            reason=suspended.reason,
            message=suspended.message,
        )
    if status.resumed_at is not None:
        yield tell(kind=RunEventKind.RESUMED, at=status.resumed_at)
    if (refused := status.refused) is not None:
        yield tell(
            kind=RunEventKind.POD_REFUSED,
            at=refused.since or status.created_at,
            reason=refused.reason,
            message=refused.message,
        )
    if status.finished_at is not None and status.phase is not JobPhase.ACTIVE:
        yield tell(
            kind=RunEventKind.JOB_ENDED,
            at=status.finished_at,
            reason=status.reason if status.phase is JobPhase.FAILED else COMPLETED,
            message=status.message,
        )
    if status.deleted_at is not None:
        yield tell(kind=RunEventKind.JOB_DELETED, at=status.deleted_at)


def _pod_events(status: JobStatus, pod: PodStatus) -> Iterator[RunEvent]:
    tell = partial(RunEvent, key=status.key, subject=pod.name)
    if (why := pod.unschedulable) is not None:
        yield tell(
            kind=RunEventKind.UNSCHEDULABLE,
            at=why.since or pod.created_at,
            reason=why.reason,
            message=why.message,
        )
    if pod.scheduled_at is not None:
        yield tell(kind=RunEventKind.SCHEDULED, at=pod.scheduled_at, reason=pod.node)
    if (why := pod.waiting) is not None:
        yield tell(
            kind=_kind_of_waiting(why.reason),
            at=why.since or _waits_since(pod),
            reason=why.reason,
            message=why.message,
        )
    if pod.started_at is not None:
        yield tell(kind=RunEventKind.STARTED, at=pod.started_at)
    if (ending := pod.ending) is not None:
        code = f"exit code {ending.exit_code}"
        yield tell(
            kind=RunEventKind.ENDED,
            at=ending.at,
            reason=ending.reason,
            message=f"{code}: {ending.message}" if ending.message else code,
        )
    if (why := pod.disruption) is not None:
        yield tell(
            kind=RunEventKind.DISRUPTED,
            at=why.since or (pod.ending.at if pod.ending else pod.created_at),
            reason=why.reason,
            message=why.message,
        )


def _kind_of_waiting(reason: str) -> RunEventKind:
    if reason in _PATIENT:
        return RunEventKind.PULLING
    if reason == _CRASHED:
        return RunEventKind.BACKING_OFF
    if "Image" in reason or reason in _NO_IMAGE:
        return RunEventKind.IMAGE_NOT_PULLED
    return RunEventKind.CONTAINER_NOT_CREATED


def _waits_since(pod: PodStatus) -> datetime:
    """Return since when a container waits at the earliest, by what is known of its pod."""
    if pod.ending is not None:
        return pod.ending.at
    return pod.scheduled_at or pod.created_at
