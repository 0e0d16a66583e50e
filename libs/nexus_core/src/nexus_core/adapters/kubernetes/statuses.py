"""What the states of a Job and its pods mean, in the port's words. Pure.

The states are the truth; they also tell what a follower who comes late has missed. Reasons are
those of events (contract §8), since verdicts go by them.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import msgspec

from nexus_core.adapters.kubernetes.runs import (
    ContainerStatus,
    Event,
    Job,
    JobCondition,
    Pod,
    Terminated,
    Waiting,
    run_of,
)
from nexus_core.domain.names import RunKey
from nexus_core.domain.observation import JobPhase, JobStatus, ObjectKind, Observation
from nexus_core.domain.verdicts import OUT_OF_MEMORY

_LONG_AGO = datetime.min.replace(tzinfo=UTC)

# Why a container waits whose image can't be had.
_NO_IMAGE = frozenset(
    {
        "ErrImageNeverPull",
        "ErrImagePull",
        "ImageInspectError",
        "InvalidImageName",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
# Why a container waits that can't be made, or not be started.
_NO_CONTAINER = frozenset(
    {
        "CreateContainerConfigError",
        "CreateContainerError",
        "PreCreateHookError",
        "PreStartHookError",
        "PostStartHookError",
        "RunContainerError",
    }
)
# Words of container runtimes for the end of a container whose program never ran.
_NEVER_RAN = frozenset({"ContainerCannotRun", "StartError"})

# Events that say something which no state does, or says sooner.
_TELLING_EVENTS = frozenset(
    {
        (ObjectKind.POD, "BackOff"),
        (ObjectKind.POD, "Failed"),
        (ObjectKind.JOB, "FailedCreate"),
    }
)


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How a container ended."""

    exit_code: int
    reason: str
    at: datetime


def job_status(job: Job, pods: Iterable[Pod]) -> JobStatus | None:
    """Return what the port shows of a Job; None when it is no run's."""
    key = run_of(job.metadata)
    if key is None:
        return None
    pods = tuple(pods)
    end = end_of(job)
    ending = ended_last(pods)
    failed = end is not None and end.type == "Failed"
    return JobStatus(
        key=key,
        uid=job.metadata.uid,
        phase=_phase(end),
        created_at=job.metadata.creation_timestamp or _LONG_AGO,
        started=_has_started(job, pods),
        finished_at=_finished_at(job, end),
        reason=end.reason if end and failed else "",
        message=end.message if end and failed else "",
        exit_code=ending.exit_code if ending else None,
        termination_reason=ending.reason if ending else "",
    )


def end_of(job: Job) -> JobCondition | None:
    """Return the condition that ended a Job; None while it goes on.

    `FailureTarget` and `SuccessCriteriaMet` come before it, while its pods are being ended.
    """
    for condition in job.status.conditions:
        if condition.type in {"Complete", "Failed"} and condition.status == "True":
            return condition
    return None


def ended_last(pods: Iterable[Pod]) -> Ending | None:
    """Return how the container ended that ended last; None when none has."""
    endings = [ending for pod in pods if (ending := ending_of(pod)) is not None]
    return max(endings, key=lambda ending: ending.at, default=None)


def ending_of(pod: Pod) -> Ending | None:
    """Return how the container of a try ended; None while it has not.

    Of several, the one that ran out of memory says why the pod died, whatever the others made of
    it; a runtime may even show it with exit code 0.
    """
    ended = [terminated for _, terminated in _terminations(pod)]
    killed = [terminated for terminated in ended if terminated.reason == OUT_OF_MEMORY]
    last = max(killed or ended, key=_ended_at, default=None)
    if last is None:
        return None
    return Ending(exit_code=last.exit_code, reason=_reason(last), at=_ended_at(last))


def started_at(pod: Pod) -> datetime | None:
    """Return when the container of a try last started; None when it never did."""
    starts = [at for container in _main(pod) for at in _starts(container)]
    return max(starts, default=None)


def pod_story(pod: Pod, key: RunKey, job_uid: str) -> list[Observation]:
    """Return what can be told of a try now, in the order in which it happened."""
    ending = ending_of(pod)

    def told(reason: str, message: str, at: datetime, end: Ending | None = None) -> Observation:
        return Observation(
            key=key,
            kind=ObjectKind.POD,
            reason=reason,
            message=message,
            at=at,
            exit_code=end.exit_code if end else None,
            termination_reason=end.reason if end else "",
            job_uid=job_uid,
        )

    story = [
        told("Started", "Started container", at)
        for container in _main(pod)
        for at in _starts(container)
    ]
    for container, terminated in _terminations(pod):
        at = _ended_at(terminated)
        if terminated.reason in _NEVER_RAN:
            story.append(told("Failed", f"Error: {terminated.message}", at))
        elif container in _main(pod):
            message = f"Container ended with exit code {terminated.exit_code}"
            story.append(told(_reason(terminated), message, at, ending))
    changed_at = pod.metadata.creation_timestamp or _LONG_AGO
    for container in (*pod.status.init_container_statuses, *pod.status.container_statuses):
        if container.state.waiting and (why := _waits_in_vain(container, container.state.waiting)):
            reason, message = why
            # No state says since when it waits: since the last try, or since there is a pod.
            at = max(ending.at, changed_at) if ending else changed_at
            story.append(told(reason, message, at, ending))
    return sorted(story, key=lambda observation: observation.at)


def job_end(job: Job, key: RunKey, ending: Ending | None) -> Observation | None:
    """Return what ended a Job, with how its last container ended; None while it goes on."""
    end = end_of(job)
    if end is None:
        return None
    complete = end.type == "Complete"
    return Observation(
        key=key,
        kind=ObjectKind.JOB,
        # The event's word; the condition has one for each way of being complete.
        reason="Completed" if complete else end.reason,
        message=end.message,
        at=_finished_at(job, end) or _LONG_AGO,
        exit_code=ending.exit_code if ending else None,
        termination_reason=ending.reason if ending else "",
        job_uid=job.metadata.uid,
    )


def event_observation(event: Event, key: RunKey, job_uid: str) -> Observation | None:
    """Return what an event tells that states do not; None for nothing."""
    involved = event.involved_object
    if involved.kind not in {ObjectKind.JOB, ObjectKind.POD}:
        return None
    kind = ObjectKind(involved.kind)
    if (kind, event.reason) not in _TELLING_EVENTS:
        return None
    return Observation(
        key=key,
        kind=kind,
        reason=event.reason,
        message=event.message,
        at=event.at or _LONG_AGO,
        job_uid=job_uid,
    )


def _phase(end: JobCondition | None) -> JobPhase:
    if end is None:
        return JobPhase.ACTIVE
    return JobPhase.SUCCEEDED if end.type == "Complete" else JobPhase.FAILED


def _finished_at(job: Job, end: JobCondition | None) -> datetime | None:
    if end is None:
        return None
    return job.status.completion_time or end.last_transition_time


def _has_started(job: Job, pods: Iterable[Pod]) -> bool:
    # Pods may be gone: a controller ends those of a Job past its deadline.
    if job.status.ready or job.status.succeeded:
        return True
    return any(started_at(pod) is not None for pod in pods)


def _main(pod: Pod) -> tuple[ContainerStatus, ...]:
    """Return the algorithm's container, which is named like the Job, without what was injected."""
    containers = pod.status.container_statuses
    return tuple(c for c in containers if c.name == pod.job_name) or containers


def _starts(container: ContainerStatus) -> Iterator[datetime]:
    for state in (container.last_state, container.state):
        if state.running and state.running.started_at:
            yield state.running.started_at
        ended = state.terminated
        if ended and ended.started_at and ended.reason not in _NEVER_RAN:
            yield ended.started_at


def _terminations(pod: Pod) -> Iterator[tuple[ContainerStatus, Terminated]]:
    """Go through the ends of the algorithm's container, and those by lack of memory of others."""
    main = _main(pod)
    for container in pod.status.container_statuses:
        for state in (container.last_state, container.state):
            ended = state.terminated
            if ended and (container in main or ended.reason == OUT_OF_MEMORY):
                yield container, ended


def _waits_in_vain(container: ContainerStatus, waiting: Waiting) -> tuple[str, str] | None:
    """Return the event's reason and words for why a container does not start; None: it may."""
    if waiting.reason in _NO_IMAGE:
        said = waiting.message or waiting.reason
        return "Failed", f'Failed to pull image "{container.image}": {said}'
    if waiting.reason in _NO_CONTAINER:
        return "Failed", f"Error: {waiting.message or waiting.reason}"
    if waiting.reason == "ImagePullBackOff":
        said = f": {waiting.message}" if waiting.message else ""
        return "BackOff", f'Back-off pulling image "{container.image}"{said}'
    if waiting.reason == "CrashLoopBackOff":
        return "BackOff", waiting.message or "Back-off restarting failed container"
    return None


def _reason(terminated: Terminated) -> str:
    return terminated.reason or ("Error" if terminated.exit_code else "Completed")


def _ended_at(terminated: Terminated) -> datetime:
    return terminated.finished_at or terminated.started_at or _LONG_AGO
