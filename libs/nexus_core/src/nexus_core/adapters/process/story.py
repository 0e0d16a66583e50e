"""What is told of a Job: the observations of its life, in Kubernetes' words. Pure.

The same makers serve what happens now and what is told again to a follower who comes late.
"""

from datetime import datetime

from nexus_core.adapters.process.manifest import JobSpec
from nexus_core.adapters.process.state import Doom, JobRecord, JobState
from nexus_core.domain.observation import ObjectKind, Observation


def container_started(record: JobRecord, state: JobState, at: datetime) -> Observation:
    """Tell that the container of a try started."""
    return _observation(record, state, ObjectKind.POD, at, "Started", "Started container")


def container_refused(record: JobRecord, state: JobState, at: datetime, why: str) -> Observation:
    """Tell that the container of a try can't be created."""
    message = f"Error: failed to create containerd task: {why}"
    return _observation(record, state, ObjectKind.POD, at, "Failed", message)


def container_ended(record: JobRecord, spec: JobSpec, state: JobState, at: datetime) -> Observation:
    """Tell how the newest container ended; Kubernetes' status says it, its events don't."""
    last = state.last
    reason = last.reason if last else "Completed"
    code = last.exit_code if last else 0
    message = f"Container ended with exit code {code}"
    if reason == Doom.MEMORY and spec.memory_limit is not None:
        message += f": it used more memory than its limit of {_bytes(spec.memory_limit)}"
    return _observation(record, state, ObjectKind.POD, at, reason, message)


def job_finished(record: JobRecord, state: JobState, at: datetime) -> Observation:
    """Tell what finished the Job."""
    return _observation(record, state, ObjectKind.JOB, at, state.reason, state.message)


def story(record: JobRecord, spec: JobSpec, state: JobState) -> list[Observation]:
    """Return what can still be told of a Job, in the order that it happened."""
    told = []
    if state.container_started_at is not None:
        told.append(container_started(record, state, state.container_started_at))
    if state.last is not None and state.container_ended_at is not None:
        told.append(container_ended(record, spec, state, state.container_ended_at))
    if state.finished_at is not None:
        told.append(job_finished(record, state, state.finished_at))
    return sorted(told, key=lambda observation: observation.at)


def _observation(
    record: JobRecord, state: JobState, kind: ObjectKind, at: datetime, reason: str, message: str
) -> Observation:
    return Observation(
        key=record.key,
        kind=kind,
        reason=reason,
        message=message,
        at=at,
        exit_code=state.last.exit_code if state.last else None,
        termination_reason=state.last.reason if state.last else "",
        job_uid=record.uid,
    )


def _bytes(count: int) -> str:
    for size, unit in ((2**30, "Gi"), (2**20, "Mi"), (2**10, "Ki")):
        if count % size == 0:
            return f"{count // size}{unit}"
    return str(count)
