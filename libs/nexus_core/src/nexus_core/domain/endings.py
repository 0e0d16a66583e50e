"""What it means that a Job has ended, or that its algorithm ends again and again."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

import msgspec

from nexus_core.domain.observation import JobStatus, PodStatus, Trouble
from nexus_core.domain.stages import Stage
from nexus_core.domain.troubles import NEVER_RAN, OUT_OF_MEMORY
from nexus_core.domain.verdicts import Verdict, never_came_to_run

NOT_STARTED = (
    "The container of the algorithm could not be started: check the command and the configuration "
    "of its template."
)

# 128 + SIGKILL: by the kernel for lack of memory, as a rule, but not by that alone.
_KILLED = 137

_EXIT_CODE = re.compile(r"exit code (-?\d+)")


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of how the algorithm ended."""

    message: str
    exit_code: int | None
    termination_reason: str
    memory_limit: str
    """Such as `128Mi`; empty when not known."""


def failed(status: JobStatus, memory_limit: str) -> Verdict:
    """Return what it means that a Job failed."""
    evidence = _evidence(status, status.message, memory_limit)
    if status.reason == "DeadlineExceeded":
        # Its controller ends the pods with it: what they were at is not always known.
        return _overdue(evidence)
    last = status.pods[-1] if status.pods else None
    if last is not None and never_ran(last):
        return not_started(last)
    if last is not None and last.disruption is not None:
        return _taken_away(status, last.disruption)
    return _BY_REASON.get(status.reason, _failed_somehow)(evidence)


def silent(status: JobStatus, now: datetime, grace: timedelta, memory_limit: str) -> Verdict | None:
    """Return what it means that a Job succeeded and no result was reported; None within grace."""
    # Without a time of its end nothing is late; once the Job is removed, that settles the run.
    if status.finished_at is None or now - status.finished_at < grace:
        return None
    what = "The algorithm ended without reporting a result"
    # Runtimes may show a kill for lack of memory with exit code 0.
    if status.termination_reason == OUT_OF_MEMORY:
        what += f": {_how_it_ended(_evidence(status, '', memory_limit))}"
    return Verdict(stage=Stage.FAILED, cause=f"{what}.", details=status.message)


def crashed(status: JobStatus, message: str, memory_limit: str) -> Verdict:
    """Return what it means that a container waits to be started again after it ended."""
    evidence = _evidence(status, message, memory_limit)
    return _ended(Stage.FAILED, "The algorithm crashed repeatedly", evidence)


def never_ran(pod: PodStatus) -> bool:
    """Tell whether a container ended without its program having run: another try would, too."""
    return pod.ending is not None and pod.ending.reason in NEVER_RAN


def not_started(pod: PodStatus) -> Verdict:
    """Return what it means that a program could not be run."""
    ending = pod.ending
    return never_came_to_run(NOT_STARTED, (ending.message or ending.reason) if ending else "")


def _evidence(status: JobStatus, message: str, memory_limit: str) -> Evidence:
    code = status.exit_code
    # Where pods are gone, the condition of their Job may still say it.
    if code is None and (told := _EXIT_CODE.search(message)):
        code = int(told[1])
    return Evidence(
        message=message,
        exit_code=code,
        termination_reason=status.termination_reason,
        memory_limit=memory_limit,
    )


def _taken_away(status: JobStatus, disruption: Trouble) -> Verdict:
    """Blame the cluster, where a Job without the rule to ignore disruptions failed of one."""
    out_of_retries = status.reason == "BackoffLimitExceeded"
    return Verdict(
        stage=Stage.DEADLINE_EXCEEDED if out_of_retries else Stage.FAILED,
        cause="The cluster took the run's pod away before it ended: please send the request again.",
        details=disruption.message or disruption.reason,
        delete_job=True,
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


def _failed_somehow(evidence: Evidence) -> Verdict:
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


_BY_REASON: Mapping[str, Callable[[Evidence], Verdict]] = MappingProxyType(
    {
        "BackoffLimitExceeded": _out_of_retries,
        "PodFailurePolicy": _fatal,
    }
)
