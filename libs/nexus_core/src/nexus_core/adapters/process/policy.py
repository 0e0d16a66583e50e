"""What the end of a try means for its Job, and when the next one may start. Pure."""

from datetime import datetime, timedelta

import msgspec

from nexus_core.adapters.process.manifest import FailureRule, JobSpec, RuleAction
from nexus_core.adapters.process.state import KILLED_EXIT_CODE, Doom, Ending, JobState
from nexus_core.domain.observation import JobPhase

DEADLINE_MESSAGE = "Job was active longer than specified deadline"


class BackOff(msgspec.Struct, frozen=True):
    """How long a Job waits between two tries: `base`, doubled with each try, `cap` at most."""

    base: timedelta
    cap: timedelta

    def after(self, tries: int) -> timedelta:
        """Return the wait after so many tries, one or more."""
        # Without a bound it is beyond what a timedelta holds; 65536 is beyond any sensible cap.
        doublings = min(tries - 1, 16)
        return min(self.base * (1 << doublings), self.cap)


class Retry(msgspec.Struct, frozen=True):
    """The try is followed by another one."""

    counts: bool
    """Whether it counts against the back-off limit."""


class Conclusion(msgspec.Struct, frozen=True, kw_only=True):
    """The Job is finished."""

    phase: JobPhase
    reason: str
    message: str


def judge(spec: JobSpec, state: JobState, ending: Ending, pod: str) -> Retry | Conclusion:
    """Decide what the end of the current try means. `pod` names it in the message."""
    if state.doom is Doom.DEADLINE:
        return _failed("DeadlineExceeded", DEADLINE_MESSAGE)
    if ending.exit_code == 0:
        return Conclusion(phase=JobPhase.SUCCEEDED, reason="Completed", message="Job completed")
    for index, rule in enumerate(spec.rules):
        if not _matches(rule, ending):
            continue
        if rule.action is RuleAction.FAIL_JOB:
            return _failed("PodFailurePolicy", _policy_message(rule, index, ending, pod))
        if rule.action is RuleAction.IGNORE:
            return Retry(counts=False)
        break
    if state.failures >= spec.backoff_limit:
        return _failed("BackoffLimitExceeded", "Job has reached the specified backoff limit")
    return Retry(counts=True)


def after_try(
    spec: JobSpec, state: JobState, ending: Ending, now: datetime, back_off: BackOff
) -> JobState:
    """Return the state of a Job whose current try has ended."""
    if state.doom is Doom.MEMORY:
        # Whatever the processes still said of themselves: this is why they ended.
        ending = Ending(
            exit_code=KILLED_EXIT_CODE,
            reason=Doom.MEMORY.value,
            message=_over_its_limit(spec),
        )
    ended = msgspec.structs.replace(
        state, last=ending, container_ended_at=now, doom=Doom.NONE, retry_at=None
    )
    match judge(spec, state, ending, f"attempt {state.attempt}"):
        case Conclusion() as conclusion:
            return concluded(ended, conclusion, now)
        case Retry(counts):
            tries = state.attempt + 1
            return msgspec.structs.replace(
                ended,
                attempt=tries,
                failures=state.failures + counts,
                retry_at=now + back_off.after(tries),
            )


def concluded(state: JobState, conclusion: Conclusion, now: datetime) -> JobState:
    """Return the state of a Job that is finished."""
    return msgspec.structs.replace(
        state,
        phase=conclusion.phase,
        reason=conclusion.reason,
        message=conclusion.message,
        finished_at=now,
        doom=Doom.NONE,
    )


def overdue(state: JobState, now: datetime) -> JobState:
    """Return the state of a Job whose deadline passed while none of its pods ran."""
    return concluded(state, _failed("DeadlineExceeded", DEADLINE_MESSAGE), now)


def _failed(reason: str, message: str) -> Conclusion:
    return Conclusion(phase=JobPhase.FAILED, reason=reason, message=message)


def _matches(rule: FailureRule, ending: Ending) -> bool:
    if rule.on_disruption:
        return ending.disrupted
    return bool(rule.exit_codes) and (ending.exit_code in rule.exit_codes) is rule.among


def _policy_message(rule: FailureRule, index: int, ending: Ending, pod: str) -> str:
    what = (
        "has condition DisruptionTarget"
        if rule.on_disruption
        else f"failed with exit code {ending.exit_code}"
    )
    why = f" ({ending.reason})" if ending.reason not in {"", "Error"} else ""
    return f"Container of {pod} {what}{why} matching FailJob rule at index {index}"


def _over_its_limit(spec: JobSpec) -> str:
    of = f" of {_bytes(spec.memory_limit)}" if spec.memory_limit else ""
    return f"it used more memory than its limit{of}"


def _bytes(count: int) -> str:
    for size, unit in ((2**30, "Gi"), (2**20, "Mi"), (2**10, "Ki")):
        if count % size == 0:
            return f"{count // size}{unit}"
    return str(count)
