from datetime import datetime, timedelta

import pytest

from nexus_core.domain.observation import JobPhase, JobStatus
from nexus_core.domain.stages import FINISHED_STAGES, OPEN_STAGES, SOURCES, Stage
from nexus_core.domain.sweep import (
    GiveUp,
    MarkRunning,
    Settle,
    Submit,
    Thresholds,
    decide_run,
    is_mass_loss,
    is_straggler,
)
from nexus_core.domain.verdicts import Patience
from support.observations import a_job_status, an_open_run
from support.runs import LONG_AGO, a_checkpoint

THRESHOLDS = Thresholds(
    late_after=timedelta(seconds=10),
    new_expires_after=timedelta(seconds=20),
    job_missing_grace=timedelta(seconds=30),
    straggler_grace=timedelta(seconds=50),
    patience=Patience(completion=timedelta(seconds=40)),
)


def at(seconds: float) -> datetime:
    return LONG_AGO + timedelta(seconds=seconds)


ACTIVE = a_job_status(JobPhase.ACTIVE)
STARTED = a_job_status(JobPhase.ACTIVE, started=True)
SUCCEEDED = a_job_status(JobPhase.SUCCEEDED, finished_at=LONG_AGO)
FAILED = a_job_status(JobPhase.FAILED, reason="DeadlineExceeded", message="why")
MARK = MarkRunning("uid-1", LONG_AGO)


@pytest.mark.parametrize(
    ("stage", "job", "seconds", "action"),
    [
        (Stage.BUFFERED, None, 0, None),
        (Stage.BUFFERED, None, 9.9, None),
        (Stage.BUFFERED, None, 10, Submit()),
        (Stage.BUFFERED, ACTIVE, 0, MARK),
        (Stage.BUFFERED, STARTED, 0, MARK),
        (Stage.BUFFERED, SUCCEEDED, 39, MARK),
        (Stage.BUFFERED, SUCCEEDED, 40, Stage.FAILED),
        (Stage.BUFFERED, FAILED, 0, Stage.DEADLINE_EXCEEDED),
        (Stage.RUNNING, None, 29, None),
        (Stage.RUNNING, None, 30, Stage.FAILED),
        (Stage.RUNNING, ACTIVE, 9999, None),
        (Stage.RUNNING, STARTED, 9999, None),
        (Stage.RUNNING, SUCCEEDED, 39, None),
        (Stage.RUNNING, SUCCEEDED, 40, Stage.FAILED),
        (Stage.RUNNING, FAILED, 0, Stage.DEADLINE_EXCEEDED),
        (Stage.NEW, None, 19, None),
        (Stage.NEW, None, 20, Stage.SCHEDULING_FAILED),
    ],
)
def test_what_a_sweep_does_about_an_open_run(
    stage: Stage, job: JobStatus | None, seconds: float, action: object
) -> None:
    decided = decide_run(an_open_run(stage), job, at(seconds), THRESHOLDS)
    if isinstance(decided, Settle | GiveUp):
        assert decided.verdict.stage == action
        assert decided.verdict.cause
    else:
        assert decided == action


@pytest.mark.parametrize("job", [None, ACTIVE, STARTED, SUCCEEDED, FAILED])
@pytest.mark.parametrize("stage", sorted(OPEN_STAGES))
@pytest.mark.parametrize("seconds", [0, 9999])
def test_a_sweep_only_settles_as_the_stages_allow(
    stage: Stage, job: JobStatus | None, seconds: float
) -> None:
    decided = decide_run(an_open_run(stage), job, at(seconds), THRESHOLDS)
    if isinstance(decided, Settle):
        assert decided.verdict.stage.finished
        assert stage in SOURCES[decided.verdict.stage]


def test_a_run_whose_owner_is_lost_is_submitted_at_once() -> None:
    run = an_open_run(Stage.BUFFERED)
    assert decide_run(run, None, at(0), THRESHOLDS, owner_lost=True) == Submit(owner_lost=True)


def test_a_lost_owner_changes_nothing_for_a_run_that_was_submitted() -> None:
    assert (
        decide_run(an_open_run(Stage.BUFFERED), ACTIVE, at(0), THRESHOLDS, owner_lost=True) == MARK
    )
    assert decide_run(an_open_run(Stage.RUNNING), None, at(0), THRESHOLDS, owner_lost=True) is None
    assert decide_run(an_open_run(Stage.NEW), None, at(0), THRESHOLDS, owner_lost=True) is None


def test_a_missing_job_is_counted_from_the_runs_last_change() -> None:
    run = an_open_run(Stage.RUNNING, last_modified=at(100))
    assert decide_run(run, None, at(129), THRESHOLDS) is None
    assert isinstance(decide_run(run, None, at(130), THRESHOLDS), GiveUp)


def test_lateness_is_counted_from_when_the_run_was_received() -> None:
    retagged = an_open_run(Stage.BUFFERED, last_modified=at(9))
    assert decide_run(retagged, None, at(10), THRESHOLDS) == Submit()


@pytest.mark.parametrize("stage", sorted(FINISHED_STAGES))
@pytest.mark.parametrize(("seconds", "deleted"), [(49, False), (50, True)])
def test_an_active_job_is_deleted_some_time_after_its_run_finished(
    stage: Stage, seconds: float, *, deleted: bool
) -> None:
    checkpoint = a_checkpoint(lifecycle_stage=stage)
    assert is_straggler(ACTIVE, checkpoint, at(seconds), THRESHOLDS) is deleted


@pytest.mark.parametrize("stage", sorted(OPEN_STAGES))
def test_the_job_of_an_unfinished_run_is_left_alone(stage: Stage) -> None:
    assert not is_straggler(STARTED, a_checkpoint(lifecycle_stage=stage), at(9999), THRESHOLDS)


def test_a_job_of_no_known_run_is_left_alone() -> None:
    assert not is_straggler(STARTED, None, at(9999), THRESHOLDS)


@pytest.mark.parametrize("job", [SUCCEEDED, FAILED])
def test_a_job_that_has_ended_is_left_to_its_cluster(job: JobStatus) -> None:
    done = a_checkpoint(lifecycle_stage=Stage.COMPLETED)
    assert not is_straggler(job, done, at(9999), THRESHOLDS)


@pytest.mark.parametrize(("lost", "found"), [(10, 0), (10, 9), (1000, 10)])
def test_a_list_that_lacks_many_jobs_and_most_of_them_is_doubted(lost: int, found: int) -> None:
    assert is_mass_loss(lost, found)


@pytest.mark.parametrize(("lost", "found"), [(0, 0), (9, 0), (10, 10), (99, 999)])
def test_that_few_jobs_are_missing_is_believed(lost: int, found: int) -> None:
    assert not is_mass_loss(lost, found)
