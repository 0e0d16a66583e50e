"""What happenings in a cluster mean for a run: the tables, and the sentences for the caller."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

import msgspec

from nexus_core.domain.observation import JobPhase, JobStatus, ObjectKind, Observation
from nexus_core.domain.stages import Stage

OUT_OF_MEMORY = "OOMKilled"
"""Kubernetes' word for how a container ended that exceeded its memory limit."""

# 128 + SIGKILL: by the kernel for lack of memory, as a rule, but not by that alone.
_KILLED = 137

_EXIT_CODE = re.compile(r"exit code (-?\d+)")

# Starting a container fails for the same reasons as pulling its image; the sentence tells them
# apart: `Failed to pull image …`, `Back-off pulling image …`, `Error: ErrImagePull`.
_IMAGE = re.compile(r"pull(?:ing)? image|Image(?:Never)?Pull|InvalidImageName")


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The stage that a run is to be brought to, why, and whether its Job is to go."""

    stage: Stage
    cause: str = ""
    """A sentence for the caller."""
    details: str = ""
    """The cluster's own words."""
    delete_job: bool = False


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the end of a run, by whatever way it was learnt."""

    message: str
    exit_code: int | None
    termination_reason: str
    memory_limit: str
    """Such as `128Mi`; empty when not known."""


def judge_observation(observation: Observation, memory_limit: str = "") -> Verdict | None:
    """Return what an observation means for its run; None when it means nothing.

    `memory_limit` is the run's, to be named where it was exceeded; empty when not known.
    """
    judge = _BY_REASON.get((observation.kind, observation.reason))
    return judge(_evidence(observation, memory_limit)) if judge else None


def judge_status(
    status: JobStatus, now: datetime, completion_grace: timedelta, memory_limit: str = ""
) -> Verdict | None:
    """Return what the state of a Job means for its run; None when it means nothing yet.

    A Job that succeeded says nothing by itself, since the run's result is what its algorithm
    reports: only once `completion_grace` has passed does the silence count.
    """
    if status.phase is JobPhase.ACTIVE:
        return Verdict(stage=Stage.RUNNING) if status.started else None
    if status.phase is JobPhase.SUCCEEDED:
        return _silent(status, now, completion_grace)
    evidence = _evidence(status, memory_limit)
    return _BY_REASON.get((ObjectKind.JOB, status.reason), _failed)(evidence)


def job_is_gone() -> Verdict:
    """Return what it means that a run which was started has no Job any more."""
    return Verdict(
        stage=Stage.FAILED,
        cause="The run's Job is gone from its cluster, and no result was reported.",
    )


def job_is_unusable(why: str) -> Verdict:
    """Return what it means that no Job can be made of what is stored of a run."""
    return Verdict(
        stage=Stage.SCHEDULING_FAILED,
        cause="The stored Job of the run can't be used: please send the request again.",
        details=why,
    )


def _evidence(seen: Observation | JobStatus, memory_limit: str) -> Evidence:
    code = seen.exit_code
    # Kubernetes' events on Jobs carry the exit code in their sentence alone.
    if code is None and (told := _EXIT_CODE.search(seen.message)):
        code = int(told[1])
    return Evidence(
        message=seen.message,
        exit_code=code,
        termination_reason=seen.termination_reason,
        memory_limit=memory_limit,
    )


def _silent(status: JobStatus, now: datetime, grace: timedelta) -> Verdict | None:
    # Without a time of its end nothing is late; once the Job is removed, that settles the run.
    if status.finished_at is None or now - status.finished_at < grace:
        return None
    return Verdict(
        stage=Stage.FAILED,
        cause="The algorithm ended without reporting a result.",
        details=status.message,
    )


def _started(_: Evidence) -> Verdict:
    return Verdict(stage=Stage.RUNNING)


def _never_ran(cause: str, evidence: Evidence) -> Verdict:
    return Verdict(
        stage=Stage.SCHEDULING_FAILED, cause=cause, details=evidence.message, delete_job=True
    )


def _failed_to_start(evidence: Evidence) -> Verdict:
    if _IMAGE.search(evidence.message):
        return _never_ran(
            "The image of the algorithm could not be pulled: check its name, its tag, and the "
            "access to its registry.",
            evidence,
        )
    return _never_ran(
        "The container of the algorithm could not be started: check the command and the "
        "configuration of its template.",
        evidence,
    )


def _backed_off(evidence: Evidence) -> Verdict:
    if _IMAGE.search(evidence.message):
        return _failed_to_start(evidence)
    return _ended(Stage.FAILED, "The algorithm crashed repeatedly", evidence)


def _not_created(evidence: Evidence) -> Verdict:
    return _never_ran(
        "The cluster refused to create a pod for the run: check its quotas and the configuration "
        "of the template.",
        evidence,
    )


def _overdue(evidence: Evidence) -> Verdict:
    return Verdict(
        stage=Stage.DEADLINE_EXCEEDED,
        cause="The run exceeded its deadline.",
        details=evidence.message,
        delete_job=True,
    )


def _out_of_retries(evidence: Evidence) -> Verdict:
    return _ended(
        Stage.DEADLINE_EXCEEDED, "The algorithm failed more often than its retries allow", evidence
    )


def _fatal(evidence: Evidence) -> Verdict:
    return _ended(Stage.FAILED, "The algorithm ended with a fatal error", evidence)


def _failed(evidence: Evidence) -> Verdict:
    return _ended(Stage.FAILED, "The run's Job failed", evidence)


def _ended(stage: Stage, what: str, evidence: Evidence) -> Verdict:
    how = _how_it_ended(evidence)
    return Verdict(
        stage=stage,
        cause=f"{what}: {how}." if how else f"{what}.",
        details=evidence.message,
        delete_job=True,
    )


def _how_it_ended(evidence: Evidence) -> str:
    if evidence.termination_reason == OUT_OF_MEMORY:
        limit = f" (limit {evidence.memory_limit})" if evidence.memory_limit else ""
        return f"it ran out of memory{limit}"
    if evidence.exit_code is None:
        return ""
    if evidence.exit_code == _KILLED:
        return f"it was killed (exit code {_KILLED}), most likely for lack of memory"
    return f"exit code {evidence.exit_code}"


_BY_REASON: Mapping[tuple[ObjectKind, str], Callable[[Evidence], Verdict]] = MappingProxyType(
    {
        (ObjectKind.POD, "Started"): _started,
        (ObjectKind.POD, "Failed"): _failed_to_start,
        (ObjectKind.POD, "BackOff"): _backed_off,
        (ObjectKind.JOB, "FailedCreate"): _not_created,
        (ObjectKind.JOB, "DeadlineExceeded"): _overdue,
        (ObjectKind.JOB, "BackoffLimitExceeded"): _out_of_retries,
        (ObjectKind.JOB, "PodFailurePolicy"): _fatal,
    }
)
