"""What the state of a Job and its pods tells of the run's way, as events to be kept.

States say when each thing happened, so that whoever looks at the same Job, and however often, tells
the same events. Where a state does not say since when a pod is stuck, the step before it does: any
other time would be that of who looked.
"""

from collections.abc import Iterator
from datetime import datetime
from functools import partial

from nexus_core.domain.journal import RunEvent, RunEventKind
from nexus_core.domain.observation import JobPhase, JobStatus, PodStatus
from nexus_core.domain.troubles import Family, family_of

COMPLETED = "Completed"
"""The reason of the end of a container, or of a Job, that succeeded."""

OWNER_GONE = "OwnerGone"
LATE = "Late"
"""The reasons why a supervisor submits a run ahead of the queue."""

_STUCK = {
    Family.IMAGE: RunEventKind.IMAGE_NOT_PULLED,
    Family.CONTAINER: RunEventKind.CONTAINER_NOT_CREATED,
    Family.CRASH: RunEventKind.BACKING_OFF,
}

# Of a message; clusters say more where they list each of hundreds of nodes, or a container wrote
# its own last words.
_MOST_CHARACTERS = 2000


def run_events(status: JobStatus) -> list[RunEvent]:
    """Return what the status of a run's Job tells of its way, oldest first."""
    events = [event for pod in status.pods for event in _pod_events(status, pod)]
    events += _job_events(status)
    # A sort that keeps the order of equals: clusters tell whole seconds.
    return sorted(events, key=lambda event: event.at)


def _job_events(status: JobStatus) -> Iterator[RunEvent]:
    tell = partial(RunEvent, key=status.key)
    if (suspended := status.suspended) is not None:
        yield tell(
            kind=RunEventKind.SUSPENDED,
            at=suspended.since or status.created_at,
            reason=suspended.reason,
            message=_short(suspended.message),
        )
    if status.resumed_at is not None:
        yield tell(kind=RunEventKind.RESUMED, at=status.resumed_at)
    if (refused := status.refused) is not None:
        yield tell(
            kind=RunEventKind.POD_REFUSED,
            at=_podless_since(status),
            reason=refused.reason,
            message=_short(refused.message),
        )
    if status.phase is not JobPhase.ACTIVE and status.finished_at is not None:
        yield tell(
            kind=RunEventKind.JOB_ENDED,
            at=status.finished_at,
            reason=status.reason if status.phase is JobPhase.FAILED else COMPLETED,
            message=_short(status.message),
        )
    # One that has ended goes by its own rules, or Nexus deletes it: that tells nothing.
    if status.phase is JobPhase.ACTIVE and status.deleted_at is not None:
        yield tell(kind=RunEventKind.JOB_DELETED, at=status.deleted_at)


def _pod_events(status: JobStatus, pod: PodStatus) -> Iterator[RunEvent]:
    tell = partial(RunEvent, key=status.key, subject=pod.name)
    if (why := pod.unschedulable) is not None:
        yield tell(
            kind=RunEventKind.UNSCHEDULABLE,
            at=why.since or pod.created_at,
            reason=why.reason,
            message=_short(why.message),
        )
    if pod.scheduled_at is not None:
        yield tell(kind=RunEventKind.SCHEDULED, at=pod.scheduled_at, reason=pod.node)
    yield from _waiting(status, pod)
    if pod.started_at is not None:
        yield tell(kind=RunEventKind.STARTED, at=pod.started_at)
    if (ending := pod.ending) is not None:
        code = f"exit code {ending.exit_code}"
        yield tell(
            kind=RunEventKind.ENDED,
            at=ending.at,
            reason=ending.reason,
            message=_short(f"{code}: {ending.message}" if ending.message else code),
        )
    if (why := pod.disruption) is not None:
        yield tell(
            kind=RunEventKind.DISRUPTED,
            at=why.since or _end_of(pod),
            reason=why.reason,
            message=_short(why.message),
        )


def _waiting(status: JobStatus, pod: PodStatus) -> Iterator[RunEvent]:
    """Tell why a pod that has a node does not run; at most one thing of it."""
    stuck = _STUCK.get(family) if (family := family_of(_reason(pod))) else None
    why = pod.waiting if stuck else pod.unprepared or pod.waiting
    # Without a node, what waits there waits for that.
    if why is None or (stuck is None and pod.scheduled_at is None):
        return
    yield RunEvent(
        key=status.key,
        subject=pod.name,
        kind=stuck or RunEventKind.PULLING,
        at=pod.ending.at if pod.ending else pod.scheduled_at or pod.created_at,
        reason=why.reason,
        message=_short(why.message),
    )


def _reason(pod: PodStatus) -> str:
    return pod.waiting.reason if pod.waiting else ""


def _podless_since(status: JobStatus) -> datetime:
    ends = [_end_of(pod) for pod in status.pods]
    return max([status.attended_at or status.created_at, *ends])


def _end_of(pod: PodStatus) -> datetime:
    return pod.ending.at if pod.ending else pod.created_at


def _short(message: str) -> str:
    if len(message) <= _MOST_CHARACTERS:
        return message
    return f"{message[: _MOST_CHARACTERS - 1]}…"
