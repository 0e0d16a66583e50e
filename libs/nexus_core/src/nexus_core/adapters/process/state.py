"""Where a Job is in its life: what is kept of it on disk and shown of it to others. Pure values."""

from datetime import datetime
from enum import StrEnum

import msgspec

from nexus_core.domain.names import RunKey
from nexus_core.domain.observation import JobPhase, JobStatus

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


def job_status(record: JobRecord, state: JobState) -> JobStatus:
    """Return what the port shows of a Job."""
    failed = state.phase is JobPhase.FAILED
    return JobStatus(
        key=record.key,
        uid=record.uid,
        phase=state.phase,
        created_at=record.created_at,
        started=state.container_started_at is not None,
        finished_at=state.finished_at,
        reason=state.reason if failed else "",
        message=state.message if failed else "",
        exit_code=state.last.exit_code if state.last else None,
        termination_reason=state.last.reason if state.last else "",
    )
