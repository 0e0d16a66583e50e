"""What the end of a try means for its Job."""

from datetime import timedelta
from typing import Any

import pytest

from nexus_core.adapters.process.manifest import FailureRule, JobSpec, RuleAction
from nexus_core.adapters.process.policy import BackOff, after_try, overdue
from nexus_core.adapters.process.state import Doom, Ending, JobState
from nexus_core.domain.observation import JobPhase
from support.runs import LONG_AGO

BACK_OFF = BackOff(base=timedelta(seconds=1), cap=timedelta(seconds=60))
NOW = LONG_AGO

IGNORE_DISRUPTION = FailureRule(action=RuleAction.IGNORE, on_disruption=True)
FATAL = FailureRule(action=RuleAction.FAIL_JOB, exit_codes=frozenset({3, 137}))
TRANSIENT = FailureRule(action=RuleAction.IGNORE, exit_codes=frozenset({5}))
ONLY_ONE_IS_FINE = FailureRule(action=RuleAction.FAIL_JOB, exit_codes=frozenset({1}), among=False)
COUNT_THREE = FailureRule(action=RuleAction.COUNT, exit_codes=frozenset({3}))
FAIL_ON_DISRUPTION = FailureRule(action=RuleAction.FAIL_JOB, on_disruption=True)
MATCHES_NOTHING = FailureRule(action=RuleAction.FAIL_JOB)
USUAL = (IGNORE_DISRUPTION, FATAL, TRANSIENT)


def a_spec(*rules: FailureRule, **changes: Any) -> JobSpec:
    return JobSpec(command=("true",), environment={}, rules=rules, **changes)


def ended(code: int, **changes: Any) -> Ending:
    return Ending(exit_code=code, reason="Error" if code else "Completed", **changes)


@pytest.mark.parametrize(
    ("rules", "ending", "failures", "reason"),
    [
        ((), ended(0), 0, "Completed"),
        (USUAL, ended(0), 9, "Completed"),
        ((), ended(1), 1, "BackoffLimitExceeded"),
        ((), ended(1), 0, "again, counted"),
        (USUAL, ended(3), 0, "PodFailurePolicy"),
        (USUAL, ended(137), 0, "PodFailurePolicy"),
        (USUAL, ended(5), 0, "again, not counted"),
        (USUAL, ended(5), 1, "again, not counted"),
        (USUAL, ended(1), 0, "again, counted"),
        (USUAL, ended(1), 1, "BackoffLimitExceeded"),
        # The first rule that matches decides.
        (USUAL, ended(137, disrupted=True), 1, "again, not counted"),
        ((FATAL, IGNORE_DISRUPTION), ended(137, disrupted=True), 0, "PodFailurePolicy"),
        ((COUNT_THREE, FATAL), ended(3), 0, "again, counted"),
        ((COUNT_THREE, FATAL), ended(3), 1, "BackoffLimitExceeded"),
        ((FAIL_ON_DISRUPTION,), ended(137, disrupted=True), 0, "PodFailurePolicy"),
        ((FAIL_ON_DISRUPTION,), ended(137), 0, "again, counted"),
        ((ONLY_ONE_IS_FINE,), ended(2), 0, "PodFailurePolicy"),
        ((ONLY_ONE_IS_FINE,), ended(1), 0, "again, counted"),
        ((ONLY_ONE_IS_FINE,), ended(0), 0, "Completed"),
        ((MATCHES_NOTHING,), ended(1), 0, "again, counted"),
    ],
)
def test_the_end_of_a_try_decides(
    rules: tuple[FailureRule, ...], ending: Ending, failures: int, reason: str
) -> None:
    state = JobState(attempt=failures, failures=failures)

    after = after_try(a_spec(*rules, backoff_limit=1), state, ending, NOW, BACK_OFF)

    assert after.last == ending
    assert after.container_ended_at == NOW
    match after.phase:
        case JobPhase.ACTIVE:
            counted = after.failures - failures
            assert reason == ("again, counted" if counted else "again, not counted")
            assert after.attempt == failures + 1
            assert after.retry_at is not None
            assert after.finished_at is None
        case finished:
            assert after.reason == reason
            assert after.finished_at == NOW
            assert after.message
            assert (finished is JobPhase.SUCCEEDED) == (reason == "Completed")


def test_a_job_without_retries_fails_with_its_first_try() -> None:
    after = after_try(a_spec(backoff_limit=0), JobState(), ended(1), NOW, BACK_OFF)

    assert after.reason == "BackoffLimitExceeded"


def test_a_kill_for_memory_hides_what_the_program_said() -> None:
    state = JobState(doom=Doom.MEMORY)

    after = after_try(a_spec(*USUAL), state, ended(0), NOW, BACK_OFF)

    assert after.reason == "PodFailurePolicy"
    assert "exit code 137 (OOMKilled) matching FailJob rule at index 1" in after.message
    assert after.last is not None
    assert (after.last.exit_code, after.last.reason) == (137, "OOMKilled")
    assert after.doom is Doom.NONE


@pytest.mark.parametrize("code", [0, 3, 143])
def test_a_try_that_its_deadline_ended_fails_the_job_whatever_it_said(code: int) -> None:
    state = JobState(doom=Doom.DEADLINE)

    after = after_try(a_spec(*USUAL), state, ended(code), NOW, BACK_OFF)

    assert after.reason == "DeadlineExceeded"
    assert after.last == ended(code)


def test_a_deadline_between_two_tries_keeps_how_the_last_one_ended() -> None:
    after = overdue(JobState(last=ended(4)), NOW)

    assert (after.phase, after.reason) == (JobPhase.FAILED, "DeadlineExceeded")
    assert after.finished_at == NOW
    assert after.last == ended(4)


@pytest.mark.parametrize(
    ("tries", "seconds"), [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (8, 60), (10**9, 60)]
)
def test_the_wait_doubles_up_to_its_cap(tries: int, seconds: int) -> None:
    assert BACK_OFF.after(tries) == timedelta(seconds=seconds)


def test_tries_that_do_not_count_are_waited_for_like_others() -> None:
    state = JobState(attempt=3, failures=0)

    after = after_try(a_spec(*USUAL), state, ended(5), NOW, BACK_OFF)

    assert after.retry_at == NOW + timedelta(seconds=8)
