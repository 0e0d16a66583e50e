"""Where a Job is in its life: what is kept of it on disk and shown of it to others. Pure values."""

from datetime import datetime
from enum import StrEnum

import msgspec

from nexus_core.domain.names import RunKey
from nexus_core.domain.observation import (
    ContainerEnding,
    JobPhase,
    JobStatus,
    PodPhase,
    PodStatus,
    Trouble,
)

# What a shell, and so Kubernetes, makes of a death by SIGKILL: 128 + 9.
KILLED_EXIT_CODE = 137


class Doom(StrEnum):
    """Why we kill a pod. Recorded before it is killed, so that a crash in between loses nothing."""

    NONE = ""
    MEMORY = "OOMKilled"
    DEADLINE = "DeadlineExceeded"
    DELETION = "Deleted"


class JobRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What never changes of a Job; durable before its creation is confirmed."""

    algorithm: str
    request_id: str
    uid: str
    created_at: datetime

    @property
    def key(self) -> RunKey:
        """What identifies its run."""
        return RunKey(self.algorithm, self.request_id)


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How a pod ended."""

    exit_code: int
    """0 to 255; 128 + n where signal n ended it."""
    reason: str
    """Kubernetes' word: `Completed`, `Error` or `OOMKilled`."""
    message: str = ""
    disrupted: bool = False
    """It was ended by something outside of the Job, such as a reboot of the machine."""


class JobState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What changes of a Job. Each change replaces the file of it."""

    attempt: int = 0
    """The number of the try that runs or comes next, from 0."""
    failures: int = 0
    """How many failed tries counted against the back-off limit."""
    started_at: datetime | None = None
    """When the first try took its place; the deadline counts from here.

    Kubernetes counts from the creation. There a cluster grows with its queue, here it can't: a Job
    that only waited for a place has not overstayed anything.
    """
    container_started_at: datetime | None = None
    """When the container of the newest try that had one started."""
    container_ended_at: datetime | None = None
    retry_at: datetime | None = None
    """When the next try may start, where it may not yet."""
    doom: Doom = Doom.NONE
    """Why the current pod is to die."""
    last: Ending | None = None
    """How the newest try that ended has ended."""
    phase: JobPhase = JobPhase.ACTIVE
    finished_at: datetime | None = None
    reason: str = ""
    """Of the condition that finished the Job, such as `Completed` or `BackoffLimitExceeded`."""
    message: str = ""


class Refusal(msgspec.Struct, frozen=True):
    """The container of the current try can't be created."""

    why: str
    at: datetime


def job_status(
    record: JobRecord,
    state: JobState,
    *,
    refusal: Refusal | None = None,
    deleted_at: datetime | None = None,
) -> JobStatus:
    """Return what the port shows of a Job: of its tries, the newest one that got a place."""
    failed = state.phase is JobPhase.FAILED
    pod = _pod(record, state, refusal)
    return JobStatus(
        key=record.key,
        uid=record.uid,
        phase=state.phase,
        created_at=record.created_at,
        attended_at=state.started_at,
        started=state.container_started_at is not None,
        finished_at=state.finished_at,
        reason=state.reason if failed else "",
        message=state.message if failed else "",
        exit_code=state.last.exit_code if state.last else None,
        termination_reason=state.last.reason if state.last else "",
        deleted_at=deleted_at,
        pods=(pod,) if pod else (),
    )


def _pod(record: JobRecord, state: JobState, refusal: Refusal | None) -> PodStatus | None:
    if refusal is not None:
        # As containerd has it: the try is over, and its program never ran.
        ending = ContainerEnding(
            exit_code=128, reason="StartError", at=refusal.at, message=refusal.why
        )
        shown = _try(record, state.attempt, refusal.at)
        return msgspec.structs.replace(shown, phase=PodPhase.FAILED, ending=ending)
    started, ended, last = state.container_started_at, state.container_ended_at, state.last
    if started is None:
        return None
    if last is None or ended is None or ended < started:
        shown = _try(record, state.attempt, started)
        return msgspec.structs.replace(shown, phase=PodPhase.RUNNING, started_at=started)
    # Once the next try is due, the number is that one's.
    attempt = state.attempt - 1 if state.retry_at is not None else state.attempt
    return msgspec.structs.replace(
        _try(record, attempt, started),
        phase=PodPhase.FAILED if last.exit_code else PodPhase.SUCCEEDED,
        started_at=started,
        ending=ContainerEnding(
            exit_code=last.exit_code, reason=last.reason, at=ended, message=last.message
        ),
        disruption=Trouble(reason="Disrupted", since=ended) if last.disrupted else None,
    )


def _try(record: JobRecord, attempt: int, began_at: datetime) -> PodStatus:
    return PodStatus(
        uid=f"{record.uid}-{attempt}",
        name=f"{record.request_id}-{attempt}",
        phase=PodPhase.PENDING,
        created_at=began_at,
        scheduled_at=began_at,
    )
