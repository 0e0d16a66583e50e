"""What is recorded of a run's way tells how its Job ended, when that is gone."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from nexus_core.adapters.kubernetes.statuses import job_status
from nexus_core.domain.journal import RunEvent, RunEventKind
from nexus_core.domain.judge import judge
from nexus_core.domain.observation import JobPhase
from nexus_core.domain.recall import recalled
from nexus_core.domain.run_events import run_events
from nexus_core.domain.verdicts import Patience
from support.observations import KEY, a_job_status, a_pod_status
from support.recorded_runs import ENDING, recorded
from support.runs import LONG_AGO

LATE = datetime(2040, 1, 1, tzinfo=UTC)


def an_event(kind: RunEventKind, seconds: float = 0, **changes: str) -> RunEvent:
    return RunEvent(key=KEY, at=LONG_AGO + timedelta(seconds=seconds), kind=kind, **changes)


@pytest.mark.parametrize("name", sorted(ENDING))
def test_a_job_that_is_remembered_is_judged_as_if_it_were_there(name: str) -> None:
    run = recorded(name)
    status = job_status(run.job, run.pods)
    assert status is not None
    remembered = recalled(run.key, run_events(status))
    assert remembered is not None
    there, gone = (judge(one, LATE, Patience(), "64Mi") for one in (status, remembered))
    assert there is not None
    assert gone == there


def test_a_try_that_was_taken_away_is_remembered_as_that() -> None:
    run = recorded("evicted")
    status = job_status(run.job, run.pods)
    assert status is not None
    ended = msgspec.structs.replace(
        status,
        phase=JobPhase.FAILED,
        reason="BackoffLimitExceeded",
        finished_at=LONG_AGO,
    )
    remembered = recalled(run.key, run_events(ended))
    assert remembered is not None
    assert judge(remembered, LATE, Patience()) == judge(ended, LATE, Patience())


def test_a_job_whose_end_was_not_recorded_is_not_known() -> None:
    started = [an_event(RunEventKind.STARTED), an_event(RunEventKind.ENDED, message="exit code 1")]
    assert recalled(KEY, []) is None
    assert recalled(KEY, started) is None


def test_a_job_that_was_deleted_before_it_ended_is_remembered_as_active() -> None:
    deleted = [an_event(RunEventKind.STARTED), an_event(RunEventKind.JOB_DELETED, 5)]
    remembered = recalled(KEY, deleted)
    assert remembered is not None
    assert remembered.phase is JobPhase.ACTIVE
    assert remembered.deleted_at == LONG_AGO + timedelta(seconds=5)


def test_of_several_tries_the_last_is_remembered() -> None:
    tries = [
        an_event(RunEventKind.ENDED, 1, subject="a", reason="Error", message="exit code 3: one"),
        an_event(RunEventKind.ENDED, 2, subject="b", reason="Error", message="exit code 4: two"),
        an_event(RunEventKind.JOB_ENDED, 3, reason="BackoffLimitExceeded", message="why"),
    ]
    remembered = recalled(KEY, tries)
    assert remembered is not None
    assert (remembered.exit_code, remembered.reason) == (4, "BackoffLimitExceeded")
    (pod,) = remembered.pods
    assert pod.ending is not None
    assert (pod.name, pod.ending.message) == ("b", "two")


def test_what_was_never_seen_to_end_has_no_end_to_be_remembered() -> None:
    status = a_job_status(JobPhase.ACTIVE, pods=(a_pod_status(scheduled_at=LONG_AGO),))
    assert recalled(KEY, run_events(status)) is None
