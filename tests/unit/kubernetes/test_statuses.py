"""What the states of Jobs and pods mean; most of them as a real API server wrote them."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from nexus_core.adapters.kubernetes.complaints import Complaints
from nexus_core.adapters.kubernetes.runs import Job, JobCondition, JobSpec, JobState
from nexus_core.adapters.kubernetes.statuses import job_status
from nexus_core.domain.judge import judge
from nexus_core.domain.observation import ContainerEnding, JobPhase, JobStatus, Trouble
from nexus_core.domain.stages import Stage
from nexus_core.domain.verdicts import Patience, Verdict
from support.recorded_runs import RecordedRun, recorded

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def judged(
    run: RecordedRun, complaints: Complaints | None = None, now: datetime | None = None
) -> Verdict | None:
    """Return what a run means some time after it was recorded; by default, long after."""
    status = job_status(run.job, run.pods, complaints)
    assert status is not None
    return judge(status, now or NOW, Patience(), "64Mi")


def complaints_of(run: RecordedRun) -> Complaints:
    complaints = Complaints()
    for event in run.events:
        complaints.hear(event)
    return complaints


@pytest.mark.parametrize(
    ("name", "phase", "reason", "exit_code", "termination", "started"),
    [
        ("completes", JobPhase.SUCCEEDED, "", 0, "Completed", True),
        ("fails", JobPhase.FAILED, "BackoffLimitExceeded", 1, "Error", True),
        ("fatal", JobPhase.FAILED, "PodFailurePolicy", 4, "Error", True),
        ("out-of-memory", JobPhase.FAILED, "BackoffLimitExceeded", 137, "OOMKilled", True),
        ("deadline", JobPhase.FAILED, "DeadlineExceeded", None, "", False),
        ("runs", JobPhase.ACTIVE, "", None, "", True),
        ("image-missing", JobPhase.ACTIVE, "", None, "", False),
        ("config-missing", JobPhase.ACTIVE, "", None, "", False),
        ("crash-loops", JobPhase.ACTIVE, "", 1, "Error", True),
        ("never-starts", JobPhase.ACTIVE, "", None, "", False),
        ("evicted", JobPhase.ACTIVE, "", 137, "Error", True),
        ("no-node", JobPhase.ACTIVE, "", None, "", False),
        ("suspended", JobPhase.ACTIVE, "", None, "", False),
        ("quota-exhausted", JobPhase.ACTIVE, "", None, "", False),
        ("deleted", JobPhase.ACTIVE, "", None, "", True),
        ("out-of-memory-in-silence", JobPhase.SUCCEEDED, "", 0, "OOMKilled", True),
        ("node-program-missing", JobPhase.FAILED, "BackoffLimitExceeded", 128, "StartError", False),
        ("node-out-of-memory", JobPhase.FAILED, "BackoffLimitExceeded", 137, "OOMKilled", True),
    ],
)
def test_a_job_is_shown_with_how_its_last_container_ended(
    name: str,
    phase: JobPhase,
    reason: str,
    exit_code: int | None,
    termination: str,
    *,
    started: bool,
) -> None:
    run = recorded(name)

    status = job_status(run.job, run.pods)

    assert status is not None
    assert status.key == run.key
    assert status.uid == run.job.metadata.uid
    assert status.created_at == run.job.metadata.creation_timestamp
    assert (status.phase, status.reason) == (phase, reason)
    assert (status.exit_code, status.termination_reason) == (exit_code, termination)
    assert status.started is started
    assert (status.finished_at is None) == (phase is JobPhase.ACTIVE)
    assert bool(status.message) == (phase is JobPhase.FAILED)


IMAGE = "The image of the algorithm could not be pulled: "
CONTAINER = "The container of the algorithm could not be started: "
PREPARATION = "The volumes or the network of the run's pod could not be set up: "
REFUSED = "The cluster refused to create a pod for the run: "
TOO_OFTEN = "The algorithm failed more often than its retries allow: "
OUT_OF_MEMORY = "it ran out of memory (limit 64Mi)."


@pytest.mark.parametrize(
    ("name", "stage", "cause", "details"),
    [
        ("completes", Stage.FAILED, "The algorithm ended without reporting a result.", ""),
        (
            "out-of-memory-in-silence",
            Stage.FAILED,
            f"The algorithm ended without reporting a result: {OUT_OF_MEMORY}",
            "",
        ),
        ("fails", Stage.DEADLINE_EXCEEDED, f"{TOO_OFTEN}exit code 1.", "backoff limit"),
        (
            "fatal",
            Stage.FAILED,
            "The algorithm ended with a fatal error: exit code 4.",
            "matching FailJob rule",
        ),
        ("out-of-memory", Stage.DEADLINE_EXCEEDED, f"{TOO_OFTEN}{OUT_OF_MEMORY}", ""),
        ("node-out-of-memory", Stage.DEADLINE_EXCEEDED, f"{TOO_OFTEN}{OUT_OF_MEMORY}", ""),
        ("deadline", Stage.DEADLINE_EXCEEDED, "The run exceeded its deadline.", "was active"),
        (
            "crash-loops",
            Stage.FAILED,
            "The algorithm crashed repeatedly: exit code 1.",
            "back-off 10s restarting failed container",
        ),
        ("image-missing", Stage.SCHEDULING_FAILED, IMAGE, "registry.test/busybox:1: not found"),
        ("node-image-missing", Stage.SCHEDULING_FAILED, IMAGE, "connection refused"),
        ("node-image-never-pulled", Stage.SCHEDULING_FAILED, IMAGE, "pull policy of Never"),
        ("node-image-misnamed", Stage.SCHEDULING_FAILED, IMAGE, "invalid reference format"),
        ("config-missing", Stage.SCHEDULING_FAILED, CONTAINER, 'configmap "settings" not found'),
        ("node-config-missing", Stage.SCHEDULING_FAILED, CONTAINER, '"nowhere" not found'),
        ("node-program-missing", Stage.SCHEDULING_FAILED, CONTAINER, "file not found in $PATH"),
        ("never-starts", Stage.SCHEDULING_FAILED, PREPARATION, 'configmap "data" not found'),
        ("node-volume-missing", Stage.SCHEDULING_FAILED, PREPARATION, '"nowhere" not found'),
        (
            "no-node",
            Stage.SCHEDULING_FAILED,
            "No node of the cluster could take the run: ",
            "0/5 nodes are available: ",
        ),
        ("quota-exhausted", Stage.SCHEDULING_FAILED, REFUSED, "exceeded quota: no-pods"),
        ("not-admitted", Stage.SCHEDULING_FAILED, REFUSED, 'PodSecurity "restricted:latest"'),
        (
            "deleted",
            Stage.FAILED,
            "The run's Job is gone from its cluster, and no result was reported.",
            "Deleted at 20",
        ),
        (
            "evicted",
            Stage.FAILED,
            "The cluster did not make another pod for the run after one had ended: ",
            "",
        ),
    ],
)
def test_each_recorded_run_has_its_verdict_in_the_end(
    name: str, stage: Stage, cause: str, details: str
) -> None:
    run = recorded(name)
    verdict = judged(run, complaints_of(run))
    assert verdict is not None
    assert verdict.stage is stage
    assert verdict.cause.startswith(cause)
    assert details in verdict.details


@pytest.mark.parametrize(
    ("name", "seconds", "settled"),
    [
        ("image-missing", 40, False),
        ("image-missing", 60, True),
        ("node-image-missing", 40, False),
        ("node-image-missing", 60, True),
        ("node-image-never-pulled", 0, True),
        ("node-image-misnamed", 0, True),
        ("node-config-missing", 25, False),
        ("node-config-missing", 40, True),
        ("node-program-missing", 0, True),
        ("node-volume-missing", 290, False),
        ("node-volume-missing", 310, True),
        ("no-node", 1790, False),
        ("no-node", 1810, True),
        ("quota-exhausted", 590, False),
        ("quota-exhausted", 610, True),
        ("not-admitted", 25, False),
        ("not-admitted", 40, True),
        ("evicted", 60, False),
        ("suspended", 10**8, False),
    ],
)
def test_each_trouble_is_borne_for_a_time_of_its_own(
    name: str, seconds: float, *, settled: bool
) -> None:
    run = recorded(name)
    began = run.job.metadata.creation_timestamp
    assert began is not None
    verdict = judged(run, complaints_of(run), began + timedelta(seconds=seconds))
    assert (verdict is not None and verdict.stage.finished) is settled


def test_an_eviction_is_told_and_leaves_the_run_as_it_is() -> None:
    run = recorded("evicted")
    status = job_status(run.job, run.pods)
    assert status is not None
    assert status.phase is JobPhase.ACTIVE
    disruption = status.pods[0].disruption
    assert disruption is not None
    assert disruption.reason == "TerminationByKubelet"
    verdict = judged(run, now=disruption.since)
    assert verdict == Verdict(stage=Stage.RUNNING)


@pytest.mark.parametrize("kind", ["FailureTarget", "SuccessCriteriaMet", "Suspended"])
def test_a_job_whose_pods_are_still_being_ended_is_active(kind: str) -> None:
    job = recorded("runs").job
    condition = JobCondition(type=kind, status="True", reason="BackoffLimitExceeded")
    job = msgspec.structs.replace(job, status=JobState(conditions=(condition,)))

    status = job_status(job, [])

    assert status is not None
    assert status.phase is JobPhase.ACTIVE
    assert status.failing is (kind == "FailureTarget")


@pytest.mark.parametrize("name", ["fails", "deadline", "runs"])
def test_a_job_that_has_ended_or_goes_on_is_not_about_to_fail(name: str) -> None:
    run = recorded(name)

    status = job_status(run.job, run.pods)

    assert status is not None
    assert not status.failing


def test_a_condition_that_is_no_more_so_does_not_count() -> None:
    condition = JobCondition(type="Failed", status="False", reason="BackoffLimitExceeded")
    job = msgspec.structs.replace(recorded("runs").job, status=JobState(conditions=(condition,)))
    status = job_status(job, [])
    assert status is not None
    assert status.phase is JobPhase.ACTIVE


def test_a_job_without_our_labels_is_no_runs() -> None:
    run = recorded("runs")
    metadata = msgspec.structs.replace(run.job.metadata, labels={})
    assert job_status(msgspec.structs.replace(run.job, metadata=metadata), run.pods) is None


def test_a_job_with_a_container_that_is_ready_has_started_though_its_pod_is_not_seen() -> None:
    job: Job = recorded("runs").job
    assert job.status.ready == 1
    status = job_status(job, [])
    assert status is not None
    assert status.started


def test_a_job_is_shown_with_its_tries_in_the_order_in_which_they_were_made() -> None:
    run = recorded("fails")
    for pods in (run.pods, run.pods[::-1]):
        status = job_status(run.job, pods)
        assert status is not None
        first, second = status.pods
        assert first.created_at < second.created_at


def test_a_pod_that_is_gone_still_explains_the_end_of_its_job() -> None:
    run = recorded("fatal")
    ending = ContainerEnding(exit_code=4, reason="Error", at=NOW)
    status = job_status(run.job, [], gone=[ending])
    assert status is not None
    assert (status.exit_code, status.termination_reason) == (4, "Error")


def test_a_suspended_job_says_since_when_and_one_that_goes_on_when_it_did() -> None:
    run = recorded("runs")

    def status(*, suspend: bool, condition: str) -> JobStatus:
        said = JobCondition(
            type="Suspended", status=condition, message="Job suspended", last_transition_time=NOW
        )
        job = msgspec.structs.replace(
            run.job, spec=JobSpec(suspend=suspend), status=JobState(conditions=(said,))
        )
        shown = job_status(job, [])
        assert shown is not None
        return shown

    suspended, resumed = (
        status(suspend=True, condition="True"),
        status(suspend=False, condition="False"),
    )
    assert suspended.suspended == Trouble(reason="JobSuspended", message="Job suspended", since=NOW)
    assert (resumed.suspended, resumed.resumed_at) == (None, NOW)


def test_a_job_that_is_being_deleted_says_since_when() -> None:
    run = recorded("runs")
    metadata = msgspec.structs.replace(run.job.metadata, deletion_timestamp=NOW)
    status = job_status(msgspec.structs.replace(run.job, metadata=metadata), run.pods)
    assert status is not None
    assert status.deleted_at == NOW
