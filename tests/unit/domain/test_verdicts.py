"""The table of what cluster events mean; the messages are Kubernetes' own."""

from datetime import timedelta
from typing import Any

import pytest

from nexus_core.domain.observation import JobPhase, ObjectKind
from nexus_core.domain.stages import Stage
from nexus_core.domain.verdicts import Verdict, judge_observation, judge_status
from support.observations import a_job_status, an_observation
from support.runs import LONG_AGO

GRACE = timedelta(seconds=60)
JOB, POD = ObjectKind.JOB, ObjectKind.POD


def the_failure(kind: ObjectKind, reason: str, message: str) -> Verdict:
    """Return the verdict, having checked what all failures have in common."""
    verdict = judge_observation(an_observation(kind, reason, message=message))
    assert verdict is not None
    assert verdict.details == message
    assert verdict.delete_job
    return verdict


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("Failed", "Error: ErrImagePull"),
        ("Failed", "Error: ImagePullBackOff"),
        ("Failed", "Error: ErrImageNeverPull"),
        ("Failed", "Error: InvalidImageName"),
        (
            "Failed",
            'Failed to pull image "r.test/hello:2": rpc error: code = NotFound desc = not found',
        ),
        ("BackOff", 'Back-off pulling image "registry.test/hello:2"'),
        ("BackOff", 'Back-off pulling image "r.test/hello:2": ErrImagePull: manifest unknown'),
    ],
)
def test_an_image_that_cannot_be_pulled_is_a_failure_of_scheduling(
    reason: str, message: str
) -> None:
    verdict = the_failure(POD, reason, message)
    assert verdict.stage is Stage.SCHEDULING_FAILED
    assert verdict.cause.startswith("The image of the algorithm could not be pulled: ")


@pytest.mark.parametrize(
    "message",
    [
        'Error: configmap "app-config" not found',
        "Error: container has runAsNonRoot and image will run as root",
        'Error: failed to create containerd task: exec: "a": executable file not found in $PATH',
        'Error: failed to create containerd task: exec: "pull.sh": permission denied: unknown',
    ],
)
def test_a_container_that_cannot_be_started_is_a_failure_of_scheduling(message: str) -> None:
    verdict = the_failure(POD, "Failed", message)
    assert verdict.stage is Stage.SCHEDULING_FAILED
    assert verdict.cause.startswith("The container of the algorithm could not be started: ")


@pytest.mark.parametrize(
    "message",
    [
        "Back-off restarting failed container",
        "Back-off restarting failed container main in pod x-7_nexus(b50a7fa8-bb90)",
    ],
)
def test_a_container_that_crashes_is_a_failure_of_the_algorithm(message: str) -> None:
    verdict = the_failure(POD, "BackOff", message)
    assert verdict.stage is Stage.FAILED
    assert verdict.cause == "The algorithm crashed repeatedly."


def test_a_pod_that_cannot_be_created_is_a_failure_of_scheduling() -> None:
    message = 'Error creating: pods "x-" is forbidden: exceeded quota: compute'
    verdict = the_failure(JOB, "FailedCreate", message)
    assert verdict.stage is Stage.SCHEDULING_FAILED
    assert verdict.cause.startswith("The cluster refused to create a pod for the run: ")


def test_a_job_that_lasts_too_long_has_exceeded_its_deadline() -> None:
    message = "Job was active longer than specified deadline"
    verdict = the_failure(JOB, "DeadlineExceeded", message)
    assert verdict.stage is Stage.DEADLINE_EXCEEDED
    assert verdict.cause == "The run exceeded its deadline."


def test_a_job_that_fails_too_often_has_exceeded_its_retries() -> None:
    message = "Job has reached the specified backoff limit"
    verdict = the_failure(JOB, "BackoffLimitExceeded", message)
    assert verdict.stage is Stage.DEADLINE_EXCEEDED
    assert verdict.cause == "The algorithm failed more often than its retries allow."


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (42, "exit code 42"),
        (137, "it was killed (exit code 137), most likely for lack of memory"),
    ],
)
def test_a_fatal_exit_code_is_read_from_the_message_of_the_event(code: int, told: str) -> None:
    message = f"Container main for pod a/b failed with exit code {code} matching FailJob rule"
    verdict = the_failure(JOB, "PodFailurePolicy", message)
    assert verdict.stage is Stage.FAILED
    assert verdict.cause == f"The algorithm ended with a fatal error: {told}."


def test_a_started_pod_is_a_running_run() -> None:
    assert judge_observation(
        an_observation(POD, "Started", message="Started container main")
    ) == Verdict(stage=Stage.RUNNING)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (POD, "Scheduled"),
        (POD, "Pulling"),
        (POD, "Pulled"),
        (POD, "Created"),
        (POD, "Killing"),
        (POD, "FailedScheduling"),
        (POD, "FailedMount"),
        (POD, "Error"),
        (POD, "OOMKilled"),
        (POD, "DeadlineExceeded"),
        (JOB, "SuccessfulCreate"),
        (JOB, "Completed"),
        (JOB, "Started"),
        (JOB, "Failed"),
        (JOB, "BackOff"),
        (JOB, ""),
    ],
)
def test_everything_else_means_nothing(kind: ObjectKind, reason: str) -> None:
    assert judge_observation(an_observation(kind, reason, message="Failed to pull image")) is None


@pytest.mark.parametrize(
    ("reason", "end", "limit", "told"),
    [
        ("PodFailurePolicy", {"termination_reason": "OOMKilled"}, "", "it ran out of memory."),
        (
            "BackoffLimitExceeded",
            {"termination_reason": "OOMKilled", "exit_code": 137},
            "128Mi",
            "it ran out of memory (limit 128Mi).",
        ),
        (
            "BackoffLimitExceeded",
            {"exit_code": 3, "termination_reason": "Error"},
            "",
            "exit code 3.",
        ),
        ("PodFailurePolicy", {"exit_code": 255}, "128Mi", "exit code 255."),
    ],
)
def test_the_cause_says_how_the_algorithm_ended(
    reason: str, end: dict[str, Any], limit: str, told: str
) -> None:
    verdict = judge_observation(an_observation(JOB, reason, message="exit code 9", **end), limit)
    assert verdict is not None
    assert verdict.cause.endswith(f": {told}")


@pytest.mark.parametrize("reason", ["BackoffLimitExceeded", "DeadlineExceeded", "PodFailurePolicy"])
@pytest.mark.parametrize("end", [{}, {"exit_code": 137, "termination_reason": "OOMKilled"}])
def test_a_failed_job_means_the_same_seen_late_as_heard_at_once(
    reason: str, end: dict[str, Any]
) -> None:
    status = a_job_status(JobPhase.FAILED, reason=reason, message="why", **end)
    heard = judge_observation(an_observation(JOB, reason, message="why", **end), "1Gi")
    assert heard is not None
    assert judge_status(status, LONG_AGO, GRACE, "1Gi") == heard


def test_a_job_that_failed_for_an_unknown_reason_failed() -> None:
    status = a_job_status(JobPhase.FAILED, reason="SomethingNew", message="why", exit_code=1)
    assert judge_status(status, LONG_AGO, GRACE) == Verdict(
        stage=Stage.FAILED,
        cause="The run's Job failed: exit code 1.",
        details="why",
        delete_job=True,
    )


@pytest.mark.parametrize(
    ("started", "verdict"), [(True, Verdict(stage=Stage.RUNNING)), (False, None)]
)
def test_an_active_job_runs_once_a_container_started(
    *, started: bool, verdict: Verdict | None
) -> None:
    assert judge_status(a_job_status(JobPhase.ACTIVE, started=started), LONG_AGO, GRACE) == verdict


@pytest.mark.parametrize(
    ("seconds", "settled"), [(0, False), (59.9, False), (60, True), (600, True)]
)
def test_a_job_that_succeeded_in_silence_has_failed_after_the_grace(
    *, seconds: float, settled: bool
) -> None:
    status = a_job_status(JobPhase.SUCCEEDED, finished_at=LONG_AGO, message="done")
    verdict = judge_status(status, LONG_AGO + timedelta(seconds=seconds), GRACE)
    assert verdict == (
        Verdict(
            stage=Stage.FAILED,
            cause="The algorithm ended without reporting a result.",
            details="done",
        )
        if settled
        else None
    )


def test_a_job_that_succeeded_nobody_knows_when_is_waited_for() -> None:
    status = a_job_status(JobPhase.SUCCEEDED)
    assert judge_status(status, LONG_AGO + timedelta(days=1), GRACE) is None
