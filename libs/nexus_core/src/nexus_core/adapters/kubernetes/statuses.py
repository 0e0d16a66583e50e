"""What the states of a Job and its pods mean, in the port's words. Pure.

The states are the truth; events only add to them.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from nexus_core.adapters.kubernetes.complaints import About, Complaints
from nexus_core.adapters.kubernetes.pod_states import LONG_AGO, pod_status
from nexus_core.adapters.kubernetes.runs import Job, JobCondition, Pod, run_of
from nexus_core.domain.observation import (
    ContainerEnding,
    JobPhase,
    JobStatus,
    PodPhase,
    PodStatus,
    Trouble,
)

_ENDED = frozenset({PodPhase.SUCCEEDED, PodPhase.FAILED})


def job_status(
    job: Job,
    pods: Iterable[Pod],
    complaints: Complaints | None = None,
    gone: Iterable[ContainerEnding] = (),
) -> JobStatus | None:
    """Return what the port shows of a Job; None when it is no run's.

    `gone` is how the pods ended that are there no more: they explain the Job's end, too.
    """
    key = run_of(job.metadata)
    if key is None:
        return None
    complaints = complaints or Complaints()
    shown = sorted((pod_status(pod, complaints) for pod in pods), key=lambda pod: pod.created_at)
    end = end_of(job)
    ending = ended_last((*(pod.ending for pod in shown), *gone))
    failed = end is not None and end.type == "Failed"
    return JobStatus(
        key=key,
        uid=job.metadata.uid,
        phase=_phase(end),
        created_at=job.metadata.creation_timestamp or LONG_AGO,
        attended_at=job.status.start_time,
        started=_has_started(job, shown),
        refused=_refused(job, shown, complaints),
        failing=end is None and _holds(job, "FailureTarget"),
        finished_at=_finished_at(job, end),
        reason=end.reason if end and failed else "",
        message=end.message if end and failed else "",
        exit_code=ending.exit_code if ending else None,
        termination_reason=ending.reason if ending else "",
        suspended=_suspended(job),
        resumed_at=_resumed_at(job),
        deleted_at=job.metadata.deletion_timestamp,
        pods=tuple(shown),
    )


def end_of(job: Job) -> JobCondition | None:
    """Return the condition that ended a Job; None while it goes on.

    `FailureTarget` and `SuccessCriteriaMet` come before it, while its pods are being ended.
    """
    for condition in job.status.conditions:
        if condition.type in {"Complete", "Failed"} and condition.status == "True":
            return condition
    return None


def ended_last(endings: Iterable[ContainerEnding | None]) -> ContainerEnding | None:
    """Return how the container ended that ended last; None when none has."""
    ended = [ending for ending in endings if ending is not None]
    return max(ended, key=lambda ending: ending.at, default=None)


def _phase(end: JobCondition | None) -> JobPhase:
    if end is None:
        return JobPhase.ACTIVE
    return JobPhase.SUCCEEDED if end.type == "Complete" else JobPhase.FAILED


def _finished_at(job: Job, end: JobCondition | None) -> datetime | None:
    if end is None:
        return None
    return job.status.completion_time or end.last_transition_time


def _has_started(job: Job, pods: Iterable[PodStatus]) -> bool:
    # Pods may be gone: a controller ends those of a Job past its deadline.
    if job.status.ready or job.status.succeeded:
        return True
    return any(pod.started_at is not None for pod in pods)


def _refused(job: Job, pods: Sequence[PodStatus], complaints: Complaints) -> Trouble | None:
    """Return why a Job has no pod now, if its controller complained since it had one."""
    complaint = complaints.of(job.metadata.uid, About.CREATION)
    if complaint is None or any(pod.phase not in _ENDED for pod in pods):
        return None
    last = pods[-1].created_at if pods else LONG_AGO
    if complaint.last_at < last:
        return None
    since = max(complaint.first_at, last)
    return Trouble(reason=complaint.reason, message=complaint.message, since=since)


def _suspended(job: Job) -> Trouble | None:
    if not job.spec.suspend:
        return None
    condition = _condition(job, "True")
    return Trouble(
        reason="JobSuspended",
        message=condition.message if condition else "",
        since=condition.last_transition_time if condition else None,
    )


def _resumed_at(job: Job) -> datetime | None:
    condition = _condition(job, "False")
    return condition.last_transition_time if condition and not job.spec.suspend else None


def _holds(job: Job, kind: str) -> bool:
    return any((one.type, one.status) == (kind, "True") for one in job.status.conditions)


def _condition(job: Job, status: str) -> JobCondition | None:
    return next(
        (one for one in job.status.conditions if (one.type, one.status) == ("Suspended", status)),
        None,
    )
