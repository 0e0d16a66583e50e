"""The table of what states mean for a run; the messages are Kubernetes' own."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from nexus_core.domain.judge import judge
from nexus_core.domain.observation import (
    ContainerEnding,
    JobPhase,
    JobStatus,
    PodPhase,
    PodStatus,
    Trouble,
)
from nexus_core.domain.stages import Stage
from nexus_core.domain.verdicts import Patience, Verdict
from support.observations import a_job_status, a_pod_status
from support.runs import LONG_AGO

PATIENCE = Patience(
    image=timedelta(seconds=10),
    container=timedelta(seconds=20),
    unschedulable=timedelta(seconds=30),
    preparation=timedelta(seconds=40),
    pod_creation=timedelta(seconds=50),
    completion=timedelta(seconds=60),
    deletion=timedelta(seconds=70),
    name=timedelta(0),
)
FOR_EVER = 10**6

IMAGE = "The image of the algorithm could not be pulled: "
CONTAINER = "The container of the algorithm could not be started: "
NODE = "No node of the cluster could take the run: "
PREPARATION = "The volumes or the network of the run's pod could not be set up: "
REFUSED = "The cluster refused to create a pod for the run: "


def at(seconds: float) -> datetime:
    return LONG_AGO + timedelta(seconds=seconds)


def verdict(status: JobStatus, seconds: float = FOR_EVER, limit: str = "") -> Verdict | None:
    return judge(status, at(seconds), PATIENCE, limit)


def with_pod(phase: PodPhase = PodPhase.PENDING, **changes: Any) -> JobStatus:
    """Return an active Job with a pod."""
    pod = a_pod_status(phase, **changes)
    return a_job_status(
        JobPhase.ACTIVE,
        attended_at=LONG_AGO,
        started=pod.started_at is not None,
        pods=(pod,),
        exit_code=pod.ending.exit_code if pod.ending else None,
        termination_reason=pod.ending.reason if pod.ending else "",
    )


def waiting(reason: str, message: str = "said the kubelet", **changes: Any) -> JobStatus:
    trouble = Trouble(reason=reason, message=message, since=LONG_AGO)
    return with_pod(waiting=trouble, **changes)


def ended(reason: str, code: int = 1, message: str = "") -> ContainerEnding:
    return ContainerEnding(exit_code=code, reason=reason, at=LONG_AGO, message=message)


def failed(reason: str, message: str = "why", **changes: Any) -> JobStatus:
    return a_job_status(
        JobPhase.FAILED, reason=reason, message=message, finished_at=LONG_AGO, **changes
    )


# Pods that don't come to run: each has its clock.


@pytest.mark.parametrize(
    ("status", "patience", "cause"),
    [
        (waiting("ErrImagePull"), 10, IMAGE),
        (waiting("ImagePullBackOff"), 10, IMAGE),
        (waiting("ImageInspectError"), 10, IMAGE),
        (waiting("RegistryUnavailable"), 10, IMAGE),
        (waiting("SignatureValidationFailed"), 10, IMAGE),
        (waiting("InvalidImageName"), 0, IMAGE),
        (waiting("ErrImageNeverPull"), 0, IMAGE),
        (waiting("CreateContainerConfigError"), 20, CONTAINER),
        (waiting("CreateContainerError"), 20, CONTAINER),
        (waiting("RunContainerError"), 20, CONTAINER),
        (waiting("PostStartHookError"), 20, CONTAINER),
        (with_pod(unschedulable=Trouble(reason="Unschedulable", since=LONG_AGO)), 30, NODE),
        (with_pod(unprepared=Trouble(reason="FailedMount", since=LONG_AGO)), 40, PREPARATION),
        (a_job_status(JobPhase.ACTIVE, attended_at=LONG_AGO), 50, REFUSED),
    ],
)
def test_what_does_not_come_to_run_is_given_up_after_its_own_time(
    status: JobStatus, patience: float, cause: str
) -> None:
    if patience:
        assert verdict(status, patience - 0.1) is None
    given_up = verdict(status, patience)
    assert given_up is not None
    assert given_up.stage is Stage.SCHEDULING_FAILED
    assert given_up.cause.startswith(cause)
    assert given_up.delete_job


@pytest.mark.parametrize(
    ("trouble", "details"),
    [
        (Trouble(reason="ErrImagePull", message="not found", since=LONG_AGO), "not found"),
        (Trouble(reason="ErrImagePull", since=LONG_AGO), "ErrImagePull"),
    ],
)
def test_the_details_are_the_clusters_words(trouble: Trouble, details: str) -> None:
    given_up = verdict(with_pod(waiting=trouble))
    assert given_up is not None
    assert given_up.details == details


def test_the_details_of_a_pod_without_a_node_are_the_schedulers_words() -> None:
    words = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."
    trouble = Trouble(reason="Unschedulable", message=words, since=LONG_AGO)
    given_up = verdict(with_pod(unschedulable=trouble))
    assert given_up is not None
    assert given_up.details == words


@pytest.mark.parametrize("reason", ["ErrImagePull", "CreateContainerConfigError"])
def test_trouble_that_began_nobody_knows_when_is_borne(reason: str) -> None:
    assert verdict(with_pod(waiting=Trouble(reason=reason))) is None


@pytest.mark.parametrize(
    "status",
    [
        waiting("ContainerCreating"),
        waiting("PodInitializing"),
        waiting("SomethingNew"),
        waiting(""),
        with_pod(),
        with_pod(unschedulable=Trouble(reason="SchedulingGated", since=LONG_AGO)),
        a_job_status(JobPhase.ACTIVE),
    ],
)
def test_what_may_still_come_to_run_is_waited_for_however_long(status: JobStatus) -> None:
    assert verdict(status) is None


def test_a_large_image_that_is_pulled_for_long_has_not_failed() -> None:
    pulling = Trouble(reason="ContainerCreating", since=LONG_AGO)
    assert verdict(with_pod(waiting=pulling, scheduled_at=LONG_AGO)) is None


# Jobs that can make no pod.


def refused(message: str, since: float = 0, **changes: Any) -> JobStatus:
    trouble = Trouble(reason="FailedCreate", message=message, since=at(since))
    return a_job_status(JobPhase.ACTIVE, attended_at=LONG_AGO, refused=trouble, **changes)


def test_an_exhausted_quota_may_free_up() -> None:
    status = refused('Error creating: pods "x-" is forbidden: exceeded quota: compute')
    assert verdict(status, 49) is None
    given_up = verdict(status, 50)
    assert given_up is not None
    assert given_up.details == 'Error creating: pods "x-" is forbidden: exceeded quota: compute'


def test_an_admission_rule_seldom_changes_its_mind() -> None:
    status = refused('admission webhook "policy.example" denied the request', since=5)
    assert verdict(status, 24) is None
    given_up = verdict(status, 25)
    assert given_up is not None
    assert given_up.cause.startswith(REFUSED)


def test_a_job_whose_pods_are_all_gone_gets_others_or_is_given_up() -> None:
    gone = a_job_status(JobPhase.ACTIVE, attended_at=LONG_AGO, started=True)
    assert verdict(gone, 49) == Verdict(stage=Stage.RUNNING)
    given_up = verdict(gone, 50)
    assert given_up is not None
    assert given_up.stage is Stage.SCHEDULING_FAILED


def test_between_two_tries_a_job_may_wait_as_long_as_its_controller_lets_it() -> None:
    status = with_pod(PodPhase.FAILED, started_at=LONG_AGO, ending=ended("Error"))
    assert verdict(status, 600 + 49) == Verdict(stage=Stage.RUNNING)
    given_up = verdict(status, 600 + 50)
    assert given_up is not None
    assert given_up.stage is Stage.FAILED
    assert given_up.cause.startswith("The cluster did not make another pod for the run")


# Containers that were started.


@pytest.mark.parametrize("reason", ["StartError", "ContainerCannotRun"])
@pytest.mark.parametrize("phase", [JobPhase.ACTIVE, JobPhase.FAILED])
def test_a_program_that_can_not_be_run_is_a_failure_of_scheduling(
    phase: JobPhase, reason: str
) -> None:
    why = 'exec: "nowhere": executable file not found in $PATH: unknown'
    pod = a_pod_status(PodPhase.FAILED, ending=ended(reason, 128, why))
    status = a_job_status(phase, reason="BackoffLimitExceeded", pods=(pod,), exit_code=128)
    given_up = verdict(status, 0)
    assert given_up is not None
    assert given_up.stage is Stage.SCHEDULING_FAILED
    assert given_up.cause.startswith(CONTAINER)
    assert given_up.details == why


def test_a_container_that_crashes_again_and_again_is_a_failure_of_the_algorithm() -> None:
    words = "back-off 10s restarting failed container=x pod=x-abcde_nexus(b50a7fa8)"
    crashing = waiting("CrashLoopBackOff", words, ending=ended("Error", 3), restarts=4)
    given_up = verdict(crashing, 0)
    assert given_up is not None
    assert given_up.stage is Stage.FAILED
    assert given_up.cause == "The algorithm crashed repeatedly: exit code 3."
    assert given_up.details == words


def test_a_pod_that_runs_is_a_running_run_however_long() -> None:
    running = with_pod(PodPhase.RUNNING, started_at=LONG_AGO)
    assert verdict(running) == Verdict(stage=Stage.RUNNING)


# Disruptions.


TAKEN = Trouble(reason="EvictionByEvictionAPI", message="Eviction API: evicting", since=LONG_AGO)


@pytest.mark.parametrize(
    "pod",
    [
        a_pod_status(PodPhase.RUNNING, started_at=LONG_AGO, disruption=TAKEN),
        a_pod_status(PodPhase.RUNNING, started_at=LONG_AGO, deleted_at=LONG_AGO),
        a_pod_status(PodPhase.UNKNOWN, started_at=LONG_AGO),
        a_pod_status(
            PodPhase.PENDING,
            disruption=TAKEN,
            waiting=Trouble(reason="ErrImagePull", since=LONG_AGO),
        ),
    ],
)
def test_a_pod_that_is_taken_away_is_not_held_against_its_run(pod: PodStatus) -> None:
    status = a_job_status(JobPhase.ACTIVE, attended_at=LONG_AGO, started=True, pods=(pod,))
    assert verdict(status) == Verdict(stage=Stage.RUNNING)


@pytest.mark.parametrize(
    ("reason", "stage"),
    [
        ("BackoffLimitExceeded", Stage.DEADLINE_EXCEEDED),
        ("PodFailurePolicy", Stage.FAILED),
        ("", Stage.FAILED),
    ],
)
def test_where_a_disruption_fails_a_job_the_algorithm_is_not_blamed(
    reason: str, stage: Stage
) -> None:
    pod = a_pod_status(PodPhase.FAILED, ending=ended("Error", 137), disruption=TAKEN)
    status = failed(reason, pods=(pod,), exit_code=137, termination_reason="Error")
    given_up = verdict(status)
    assert given_up == Verdict(
        stage=stage,
        cause="The cluster took the run's pod away before it ended: please send the request again.",
        details="Eviction API: evicting",
        delete_job=True,
    )


# Jobs that ended.


def test_a_job_that_lasts_too_long_has_exceeded_its_deadline_whatever_its_pods_were_at() -> None:
    message = "Job was active longer than specified deadline"
    for pods in ((), (a_pod_status(PodPhase.FAILED, disruption=TAKEN),)):
        assert verdict(failed("DeadlineExceeded", message, pods=pods)) == Verdict(
            stage=Stage.DEADLINE_EXCEEDED,
            cause="The run exceeded its deadline.",
            details=message,
            delete_job=True,
        )


def test_a_job_that_fails_too_often_has_exceeded_its_retries() -> None:
    message = "Job has reached the specified backoff limit"
    assert verdict(failed("BackoffLimitExceeded", message)) == Verdict(
        stage=Stage.DEADLINE_EXCEEDED,
        cause="The algorithm failed more often than its retries allow.",
        details=message,
        delete_job=True,
    )


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (42, "exit code 42"),
        (137, "it was killed (exit code 137), most likely for lack of memory"),
    ],
)
def test_a_fatal_exit_code_is_read_from_the_message_where_the_pod_is_gone(
    code: int, told: str
) -> None:
    message = f"Container main for pod a/b failed with exit code {code} matching FailJob rule"
    ending = verdict(failed("PodFailurePolicy", message))
    assert ending is not None
    assert ending.stage is Stage.FAILED
    assert ending.cause == f"The algorithm ended with a fatal error: {told}."


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
    ending = verdict(failed(reason, "exit code 9", **end), limit=limit)
    assert ending is not None
    assert ending.cause.endswith(f": {told}")


def test_a_job_that_failed_for_an_unknown_reason_failed() -> None:
    assert verdict(failed("SomethingNew", exit_code=1)) == Verdict(
        stage=Stage.FAILED,
        cause="The run's Job failed: exit code 1.",
        details="why",
        delete_job=True,
    )


@pytest.mark.parametrize(
    ("seconds", "settled"), [(0, False), (59.9, False), (60, True), (600, True)]
)
@pytest.mark.parametrize("deleted_at", [None, LONG_AGO])
def test_a_job_that_succeeded_in_silence_has_failed_after_the_grace(
    *, seconds: float, settled: bool, deleted_at: datetime | None
) -> None:
    status = a_job_status(
        JobPhase.SUCCEEDED, finished_at=LONG_AGO, message="done", deleted_at=deleted_at
    )
    ending = Verdict(
        stage=Stage.FAILED,
        cause="The algorithm ended without reporting a result.",
        details="done",
    )
    assert verdict(status, seconds) == (ending if settled else None)


def test_a_job_that_succeeded_nobody_knows_when_is_waited_for() -> None:
    assert verdict(a_job_status(JobPhase.SUCCEEDED)) is None


def test_a_kill_for_memory_that_looks_like_success_says_so() -> None:
    status = a_job_status(
        JobPhase.SUCCEEDED, finished_at=LONG_AGO, exit_code=0, termination_reason="OOMKilled"
    )
    ending = verdict(status, limit="64Mi")
    assert ending is not None
    assert ending.cause == (
        "The algorithm ended without reporting a result: it ran out of memory (limit 64Mi)."
    )


# Jobs that somebody else changed.


@pytest.mark.parametrize("started", [False, True])
def test_a_suspended_job_neither_fails_nor_is_late(*, started: bool) -> None:
    suspended = Trouble(reason="JobSuspended", since=LONG_AGO)
    status = a_job_status(
        JobPhase.ACTIVE, attended_at=LONG_AGO, started=started, suspended=suspended
    )
    assert verdict(status) == (Verdict(stage=Stage.RUNNING) if started else None)


def test_a_job_that_somebody_deleted_has_failed_after_a_grace() -> None:
    status = a_job_status(JobPhase.ACTIVE, started=True, deleted_at=LONG_AGO)
    assert verdict(status, 69) is None
    ending = verdict(status, 70)
    assert ending is not None
    assert ending.stage is Stage.FAILED
    assert ending.cause == "The run's Job is gone from its cluster, and no result was reported."
    assert ending.details.startswith("Deleted at ")
    assert not ending.delete_job


def test_a_job_that_failed_before_it_was_deleted_failed_as_it_did() -> None:
    status = failed("DeadlineExceeded", deleted_at=LONG_AGO)
    ending = verdict(status, 0)
    assert ending is not None
    assert ending.stage is Stage.DEADLINE_EXCEEDED


@pytest.mark.parametrize("status", [failed("BackoffLimitExceeded"), waiting("InvalidImageName")])
def test_a_job_keeps_its_name_for_a_while_whatever_became_of_it(status: JobStatus) -> None:
    patience = replace(PATIENCE, name=timedelta(seconds=30))

    young, old = (judge(status, at(seconds), patience) for seconds in (29, 30))

    assert young is not None
    assert not young.delete_job
    assert old == replace(young, delete_job=True)
