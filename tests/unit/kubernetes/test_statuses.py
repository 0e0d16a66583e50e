"""What the states of Jobs and pods mean; most of them as a real API server wrote them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from nexus_core.adapters.kubernetes.runs import (
    ContainerState,
    ContainerStatus,
    Job,
    JobCondition,
    JobState,
    Pod,
    PodState,
    Running,
    Terminated,
    Waiting,
)
from nexus_core.adapters.kubernetes.statuses import (
    ended_last,
    ending_of,
    job_end,
    job_status,
    pod_story,
)
from nexus_core.domain.names import RunKey
from nexus_core.domain.observation import JobPhase, ObjectKind
from nexus_core.domain.stages import Stage
from nexus_core.domain.verdicts import judge_observation, judge_status
from support.recorded_runs import recorded

NOW = datetime(2030, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


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


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("completes", ["Started", "Completed"]),
        ("fatal", ["Started", "Error"]),
        ("out-of-memory", ["Started", "OOMKilled"]),
        ("runs", ["Started"]),
        ("image-missing", ["BackOff"]),
        ("config-missing", ["Failed"]),
        ("crash-loops", ["Started", "Error", "BackOff"]),
        ("never-starts", []),
    ],
)
def test_a_pod_tells_its_story_in_the_order_in_which_it_happened(
    name: str, told: list[str]
) -> None:
    run = recorded(name)

    story = pod_story(run.pods[0], run.key, "uid-1")

    assert [seen.reason for seen in story] == told
    assert all(seen.kind is ObjectKind.POD and seen.job_uid == "uid-1" for seen in story)


@pytest.mark.parametrize(
    ("name", "stage", "cause"),
    [
        ("image-missing", Stage.SCHEDULING_FAILED, "The image of the algorithm could not be"),
        ("config-missing", Stage.SCHEDULING_FAILED, "The container of the algorithm could not be"),
        ("crash-loops", Stage.FAILED, "The algorithm crashed repeatedly: exit code 1."),
    ],
)
def test_a_pod_that_waits_in_vain_is_judged_as_its_events_would_be(
    name: str, stage: Stage, cause: str
) -> None:
    run = recorded(name)

    verdict = judge_observation(pod_story(run.pods[0], run.key, "uid-1")[-1])

    assert verdict is not None
    assert verdict.stage is stage
    assert verdict.cause.startswith(cause)


@pytest.mark.parametrize(
    ("name", "stage", "cause"),
    [
        ("fails", Stage.DEADLINE_EXCEEDED, "more often than its retries allow: exit code 1."),
        ("fatal", Stage.FAILED, "The algorithm ended with a fatal error: exit code 4."),
        ("out-of-memory", Stage.DEADLINE_EXCEEDED, "it ran out of memory (limit 64Mi)."),
        ("deadline", Stage.DEADLINE_EXCEEDED, "The run exceeded its deadline."),
    ],
)
def test_the_end_of_a_job_and_its_status_are_judged_alike(
    name: str, stage: Stage, cause: str
) -> None:
    run = recorded(name)
    told = job_end(run.job, run.key, ended_last(run.pods))
    status = job_status(run.job, run.pods)
    assert told is not None
    assert status is not None

    of_event = judge_observation(told, "64Mi")
    of_status = judge_status(status, NOW, SECOND, "64Mi")

    assert of_event == of_status
    assert of_event is not None
    assert of_event.stage is stage
    assert of_event.cause.endswith(cause)


def test_a_job_that_is_done_is_told_by_the_word_of_its_event() -> None:
    run = recorded("completes")

    told = job_end(run.job, run.key, ended_last(run.pods))

    assert told is not None
    assert (told.kind, told.reason, told.exit_code) == (ObjectKind.JOB, "Completed", 0)
    assert told.at == run.job.status.completion_time


@pytest.mark.parametrize("kind", ["FailureTarget", "SuccessCriteriaMet", "Suspended"])
def test_a_job_whose_pods_are_still_being_ended_is_active(kind: str) -> None:
    job = recorded("runs").job
    condition = JobCondition(type=kind, status="True", reason="BackoffLimitExceeded")
    job = msgspec.structs.replace(job, status=JobState(conditions=(condition,)))

    status = job_status(job, [])

    assert status is not None
    assert status.phase is JobPhase.ACTIVE
    assert job_end(job, RunKey("a", "b"), None) is None


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


# What the testbed's pods don't do: states by hand, in the words of real kubelets.


def a_pod(*containers: ContainerStatus, init: tuple[ContainerStatus, ...] = ()) -> Pod:
    pod = recorded("runs").pods[0]
    status = PodState(container_statuses=containers, init_container_statuses=init)
    return msgspec.structs.replace(pod, status=status)


def a_container(name: str | None = None, **state: Any) -> ContainerStatus:
    last = state.pop("last", None)
    return ContainerStatus(
        name=name or recorded("runs").pods[0].job_name,
        image="registry.test/a:1",
        state=ContainerState(**state),
        last_state=ContainerState(terminated=last),
    )


def an_end(code: int, reason: str, after: int = 0, message: str = "") -> Terminated:
    return Terminated(
        exit_code=code,
        reason=reason,
        message=message,
        started_at=NOW,
        finished_at=NOW + after * SECOND,
    )


@pytest.mark.parametrize(
    ("terminated", "code", "reason"),
    [
        (an_end(0, "OOMKilled"), 0, "OOMKilled"),
        (an_end(137, "Error"), 137, "Error"),
        (an_end(143, ""), 143, "Error"),
        (an_end(0, ""), 0, "Completed"),
    ],
)
def test_how_a_container_ended_is_told_whatever_the_runtime_leaves_out(
    terminated: Terminated, code: int, reason: str
) -> None:
    ending = ending_of(a_pod(a_container(terminated=terminated)))
    assert ending is not None
    assert (ending.exit_code, ending.reason) == (code, reason)


def test_a_program_that_never_ran_is_no_start_but_a_failure_to_start() -> None:
    why = 'exec: "nowhere": executable file not found in $PATH: unknown'
    pod = a_pod(a_container(terminated=an_end(128, "StartError", message=why)))

    (told,) = pod_story(pod, RunKey("a", "b"), "uid")

    assert (told.reason, told.message) == ("Failed", f"Error: {why}")
    status = job_status(msgspec.structs.replace(recorded("runs").job, status=JobState()), [pod])
    assert status is not None
    assert not status.started


def test_what_was_injected_beside_the_algorithm_does_not_speak_for_it() -> None:
    pod = a_pod(
        a_container("istio-proxy", terminated=an_end(1, "Error", after=5)),
        a_container(terminated=an_end(7, "Error", after=1)),
    )
    ending = ending_of(pod)
    assert ending is not None
    assert ending.exit_code == 7
    told = [seen.reason for seen in pod_story(pod, RunKey("a", "b"), "uid")]
    assert told == ["Started", "Error"]


def test_a_container_beside_the_algorithm_that_runs_out_of_memory_says_why_the_pod_died() -> None:
    pod = a_pod(
        a_container(terminated=an_end(143, "Error", after=2)),
        a_container("datadog", terminated=an_end(137, "OOMKilled", after=1)),
    )
    ending = ending_of(pod)
    assert ending is not None
    assert ending.reason == "OOMKilled"


def test_an_image_of_an_init_container_that_is_missing_is_told_too() -> None:
    waiting = Waiting(reason="ErrImagePull", message="not found")
    pod = a_pod(init=(a_container("setup", waiting=waiting),))
    (told,) = pod_story(pod, RunKey("a", "b"), "uid")
    verdict = judge_observation(told)
    assert verdict is not None
    assert "image" in verdict.cause
    assert told.message == 'Failed to pull image "registry.test/a:1": not found'


@pytest.mark.parametrize(
    ("reason", "is_image"),
    [
        ("ErrImagePull", True),
        ("ImagePullBackOff", True),
        ("InvalidImageName", True),
        ("ErrImageNeverPull", True),
        ("RegistryUnavailable", True),
        ("CreateContainerConfigError", False),
        ("CreateContainerError", False),
        ("RunContainerError", False),
    ],
)
@pytest.mark.parametrize("message", ["", "said the kubelet"])
def test_each_way_of_waiting_in_vain_becomes_scheduling_failed(
    reason: str, message: str, *, is_image: bool
) -> None:
    pod = a_pod(a_container(waiting=Waiting(reason=reason, message=message)))
    (told,) = pod_story(pod, RunKey("a", "b"), "uid")
    verdict = judge_observation(told)
    assert verdict is not None
    assert verdict.stage is Stage.SCHEDULING_FAILED
    assert ("image" in verdict.cause) is is_image


@pytest.mark.parametrize("reason", ["ContainerCreating", "PodInitializing", "", "SomethingNew"])
def test_a_container_that_may_yet_start_is_waited_for(reason: str) -> None:
    pod = a_pod(a_container(waiting=Waiting(reason=reason)))
    assert pod_story(pod, RunKey("a", "b"), "uid") == []


def test_a_container_that_is_started_again_tells_of_both_starts() -> None:
    running = Running(started_at=NOW + 9 * SECOND)
    pod = a_pod(a_container(running=running, last=an_end(1, "Error", after=1)))
    told = [(s.reason, s.at) for s in pod_story(pod, RunKey("a", "b"), "uid")]
    assert told == [("Started", NOW), ("Error", NOW + SECOND), ("Started", NOW + 9 * SECOND)]


def test_of_several_tries_the_one_that_ended_last_counts() -> None:
    first = a_pod(a_container(terminated=an_end(3, "Error", after=1)))
    last = a_pod(a_container(terminated=an_end(4, "Error", after=2)))
    for pods in ([first, last], [last, first]):
        ending = ended_last(pods)
        assert ending is not None
        assert ending.exit_code == 4
    assert ended_last([]) is None
