"""What the state of a pod means, in the port's words. Pure."""

from collections.abc import Iterator
from datetime import UTC, datetime

from nexus_core.adapters.kubernetes.complaints import About, Complaints, enriched
from nexus_core.adapters.kubernetes.runs import (
    ContainerStatus,
    Pod,
    PodCondition,
    Terminated,
)
from nexus_core.domain.observation import ContainerEnding, PodPhase, PodStatus, Trouble
from nexus_core.domain.troubles import NEVER_RAN, OUT_OF_MEMORY, Family, family_of

LONG_AGO = datetime.min.replace(tzinfo=UTC)
"""When something happened that has no time: before everything else."""

_PHASES = {phase.value: phase for phase in PodPhase}

# A pod that ran out of its own time; every other reason of a pod is its node's.
_OVERDUE = "DeadlineExceeded"

_ABOUT = {Family.IMAGE: About.IMAGE, Family.CONTAINER: About.CONTAINER}


def pod_status(pod: Pod, complaints: Complaints) -> PodStatus:
    """Return what the port shows of a try."""
    scheduled = _condition(pod, "PodScheduled")
    is_scheduled = scheduled is not None and scheduled.status == "True"
    waits = _waiting(pod, complaints)
    return PodStatus(
        uid=pod.metadata.uid,
        name=pod.metadata.name,
        phase=_PHASES.get(pod.status.phase, PodPhase.PENDING),
        created_at=pod.metadata.creation_timestamp or LONG_AGO,
        scheduled_at=scheduled.last_transition_time if scheduled and is_scheduled else None,
        node=pod.spec.node_name,
        unschedulable=_unschedulable(scheduled),
        unprepared=_unprepared(pod, complaints),
        waiting=waits[1] if waits else None,
        image=waits[0].image if waits else "",
        started_at=started_at(pod),
        restarts=max((container.restart_count for container in _main(pod)), default=0),
        ending=ending_of(pod),
        disruption=_disruption(pod),
        deleted_at=pod.metadata.deletion_timestamp,
    )


def ending_of(pod: Pod) -> ContainerEnding | None:
    """Return how the container of a try ended; None while it has not.

    Of several, the one that ran out of memory says why the pod died, whatever the others made of
    it; a runtime may even show it with exit code 0. A container that prepares the way of the
    algorithm's speaks for it when it failed.
    """
    main = [ended for container in _main(pod) for ended in _endings(container)]
    failed = [ended for ended in _all_endings(pod) if ended.reason == OUT_OF_MEMORY]
    if not main and not failed:
        failed = [e for c in pod.status.init_container_statuses for e in _endings(c) if e.exit_code]
    last = max(failed or main, key=_ended_at, default=None)
    if last is None:
        return None
    return ContainerEnding(
        exit_code=last.exit_code,
        reason=last.reason or ("Error" if last.exit_code else "Completed"),
        at=_ended_at(last),
        message=last.message,
    )


def started_at(pod: Pod) -> datetime | None:
    """Return when the container of a try last started; None when it never did."""
    starts = [at for container in _main(pod) for at in _starts(container)]
    return max(starts, default=None)


def _condition(pod: Pod, kind: str) -> PodCondition | None:
    return next((one for one in pod.status.conditions if one.type == kind), None)


def _unschedulable(scheduled: PodCondition | None) -> Trouble | None:
    if scheduled is None or scheduled.status != "False":
        return None
    return Trouble(
        reason=scheduled.reason or "Unschedulable",
        message=scheduled.message,
        since=scheduled.last_transition_time,
    )


def _unprepared(pod: Pod, complaints: Complaints) -> Trouble | None:
    """Return what keeps a pod from getting its volumes and its network.

    Servers before 1.29 don't show the condition; there, a complaint has to do.
    """
    if not pod.spec.node_name or pod.status.phase != PodPhase.PENDING:
        return None
    complaint = complaints.of(pod.metadata.uid, About.PREPARATION)
    ready = _condition(pod, "PodReadyToStartContainers")
    if (ready is None and complaint is None) or (ready is not None and ready.status != "False"):
        return None
    since = ready.last_transition_time if ready else None
    reason = complaint.reason if complaint else "NotReadyToStartContainers"
    return enriched(Trouble(reason=reason, since=since), complaint)


def _waiting(pod: Pod, complaints: Complaints) -> tuple[ContainerStatus, Trouble] | None:
    """Return which container keeps the algorithm's from running, and why; that one, as a rule."""
    main = _main(pod)
    before = pod.status.init_container_statuses
    # What runs beside the algorithm counts as long as the pod could not start.
    beside = () if started_at(pod) else pod.status.container_statuses
    waiting = [c for c in (*before, *main, *beside) if c.state.waiting]
    in_vain = [c for c in waiting if c.state.waiting and family_of(c.state.waiting.reason)]
    for container in (*in_vain, *(c for c in main if c in waiting)):
        if (why := container.state.waiting) is not None:
            trouble = Trouble(reason=why.reason, message=why.message)
            about = _ABOUT.get(family_of(why.reason) or Family.CRASH)
            if about is None:
                return container, trouble
            complaint = complaints.of(pod.metadata.uid, about, container.name)
            return container, enriched(trouble, complaint)
    return None


def _disruption(pod: Pod) -> Trouble | None:
    condition = _condition(pod, "DisruptionTarget")
    if condition is not None and condition.status == "True":
        return Trouble(
            reason=condition.reason,
            message=condition.message,
            since=condition.last_transition_time,
        )
    # Before servers had the condition, and where a node refuses a pod that it was given.
    if pod.status.reason and pod.status.reason != _OVERDUE:
        return Trouble(reason=pod.status.reason, message=pod.status.message)
    return None


def _main(pod: Pod) -> tuple[ContainerStatus, ...]:
    """Return the algorithm's container, which is named like the Job, without what was injected."""
    containers = pod.status.container_statuses
    return tuple(c for c in containers if c.name == pod.job_name) or containers


def _starts(container: ContainerStatus) -> Iterator[datetime]:
    for state in (container.last_state, container.state):
        if state.running and state.running.started_at:
            yield state.running.started_at
        ended = state.terminated
        if ended and ended.started_at and ended.reason not in NEVER_RAN:
            yield ended.started_at


def _endings(container: ContainerStatus) -> Iterator[Terminated]:
    for state in (container.last_state, container.state):
        if state.terminated:
            yield state.terminated


def _all_endings(pod: Pod) -> Iterator[Terminated]:
    for container in (*pod.status.init_container_statuses, *pod.status.container_statuses):
        yield from _endings(container)


def _ended_at(terminated: Terminated) -> datetime:
    return terminated.finished_at or terminated.started_at or LONG_AGO
