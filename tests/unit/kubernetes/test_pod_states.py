"""What states of pods mean that the testbed's pods don't show, in the words of real kubelets."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from nexus_core.adapters.kubernetes.complaints import Complaints
from nexus_core.adapters.kubernetes.pod_states import ending_of, pod_status
from nexus_core.adapters.kubernetes.runs import (
    ContainerState,
    ContainerStatus,
    Event,
    InvolvedObject,
    Pod,
    PodCondition,
    PodState,
    Running,
    Terminated,
    Waiting,
)
from nexus_core.domain.observation import PodPhase, PodStatus, Trouble
from support.recorded_runs import recorded

NOW = datetime(2030, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def a_pod(
    *containers: ContainerStatus,
    init: tuple[ContainerStatus, ...] = (),
    conditions: tuple[PodCondition, ...] = (),
    phase: str = "Pending",
    **more: str,
) -> Pod:
    pod = recorded("runs").pods[0]
    status = PodState(
        container_statuses=containers,
        init_container_statuses=init,
        conditions=conditions,
        phase=phase,
        **more,
    )
    return msgspec.structs.replace(pod, status=status)


def a_container(name: str | None = None, **state: Any) -> ContainerStatus:
    last, restarts = state.pop("last", None), state.pop("restarts", 0)
    return ContainerStatus(
        name=name or recorded("runs").pods[0].job_name,
        image="registry.test/a:1",
        restart_count=restarts,
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


def a_condition(kind: str, status: str, reason: str = "", message: str = "") -> PodCondition:
    return PodCondition(
        type=kind, status=status, reason=reason, message=message, last_transition_time=NOW
    )


def shown(pod: Pod, *events: Event) -> PodStatus:
    complaints = Complaints()
    for event in events:
        complaints.hear(event)
    return pod_status(pod, complaints)


def an_event(reason: str, message: str, at: datetime = NOW, container: str = "") -> Event:
    pod = recorded("runs").pods[0]
    name = container or pod.job_name
    path = "" if reason == "FailedMount" else f"spec.containers{{{name}}}"
    return Event(
        metadata=pod.metadata,
        involved_object=InvolvedObject(
            kind="Pod", name=pod.metadata.name, uid=pod.metadata.uid, field_path=path
        ),
        reason=reason,
        message=message,
        first_timestamp=at,
        last_timestamp=at,
    )


# How containers end.


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


def test_a_program_that_never_ran_has_not_started() -> None:
    why = 'exec: "nowhere": executable file not found in $PATH: unknown'
    pod = shown(a_pod(a_container(terminated=an_end(128, "StartError", message=why))))
    assert pod.started_at is None
    assert pod.ending is not None
    assert (pod.ending.reason, pod.ending.message) == ("StartError", why)


def test_what_was_injected_beside_the_algorithm_does_not_speak_for_it() -> None:
    pod = a_pod(
        a_container("istio-proxy", terminated=an_end(1, "Error", after=5)),
        a_container(terminated=an_end(7, "Error", after=1)),
    )
    ending = ending_of(pod)
    assert ending is not None
    assert ending.exit_code == 7


@pytest.mark.parametrize("where", ["beside", "before"])
def test_another_container_that_runs_out_of_memory_says_why_the_pod_died(where: str) -> None:
    killed = a_container("datadog", terminated=an_end(137, "OOMKilled", after=1))
    main = a_container(terminated=an_end(143, "Error", after=2))
    pod = a_pod(main, killed) if where == "beside" else a_pod(main, init=(killed,))
    ending = ending_of(pod)
    assert ending is not None
    assert ending.reason == "OOMKilled"


def test_a_container_that_prepares_the_way_speaks_for_the_algorithm_when_it_failed() -> None:
    waiting = a_container(waiting=Waiting(reason="PodInitializing"))
    failed = a_container("setup", terminated=an_end(3, "Error"))
    ending = ending_of(a_pod(waiting, init=(failed,)))
    assert ending is not None
    assert ending.exit_code == 3
    done = a_container("setup", terminated=an_end(0, "Completed"))
    assert ending_of(a_pod(waiting, init=(done,))) is None


def test_a_container_that_is_started_again_shows_its_last_start_and_its_last_end() -> None:
    running = Running(started_at=NOW + 9 * SECOND)
    last = an_end(1, "Error", after=1)
    pod = shown(a_pod(a_container(running=running, last=last, restarts=2), phase="Running"))
    assert pod.phase is PodPhase.RUNNING
    assert pod.started_at == NOW + 9 * SECOND
    assert pod.ending is not None
    assert pod.ending.at == NOW + SECOND
    assert pod.restarts == 2


# Why containers wait.


def test_a_container_that_waits_is_told_of_with_its_image() -> None:
    pod = shown(a_pod(a_container(waiting=Waiting(reason="ErrImagePull", message="not found"))))
    assert pod.waiting == Trouble(reason="ErrImagePull", message="not found")
    assert pod.image == "registry.test/a:1"


def test_an_image_of_an_init_container_that_is_missing_is_told_too() -> None:
    waiting = Waiting(reason="ErrImagePull", message="not found")
    main = a_container(waiting=Waiting(reason="PodInitializing"))
    pod = shown(a_pod(main, init=(a_container("setup", waiting=waiting),)))
    assert pod.waiting == Trouble(reason="ErrImagePull", message="not found")


def test_what_runs_beside_the_algorithm_counts_only_until_the_algorithm_runs() -> None:
    beside = a_container("proxy", waiting=Waiting(reason="CrashLoopBackOff"))
    waits = a_container(waiting=Waiting(reason="PodInitializing"))
    runs = a_container(running=Running(started_at=NOW))
    before, after = shown(a_pod(waits, beside)), shown(a_pod(runs, beside, phase="Running"))
    assert before.waiting is not None
    assert before.waiting.reason == "CrashLoopBackOff"
    assert after.waiting is None


def test_events_say_since_when_a_container_waits_in_more_words_and_only_of_that_one() -> None:
    pod = a_pod(a_container(waiting=Waiting(reason="ImagePullBackOff", message="Back-off")))
    why = 'Failed to pull image "registry.test/a:1": manifest unknown'
    first = an_event("Failed", why)
    later = an_event("Failed", "Error: ErrImagePull", NOW + SECOND)
    other = an_event("Failed", 'configmap "x" not found', NOW - SECOND)
    beside = an_event("Failed", why, NOW - SECOND, container="proxy")
    for events in ((first, later, other, beside), (beside, other, later, first), (first,) * 3):
        told = shown(pod, *events).waiting
        assert told == Trouble(reason="ImagePullBackOff", message=why, since=NOW)


def test_what_an_event_complains_of_counts_no_more_once_it_has_passed() -> None:
    why = an_event("Failed", 'Failed to pull image "registry.test/a:1": manifest unknown')
    creating = a_pod(a_container(waiting=Waiting(reason="ContainerCreating")))
    running = a_pod(a_container(running=Running(started_at=NOW)), phase="Running")
    assert shown(creating, why) == shown(creating)
    assert shown(running, why) == shown(running)


# Nodes, volumes, disruptions.


def test_a_pod_that_no_node_takes_says_since_when_in_the_schedulers_words() -> None:
    words = "0/3 nodes are available: 3 Insufficient cpu."
    pod = shown(a_pod(conditions=(a_condition("PodScheduled", "False", "Unschedulable", words),)))
    assert pod.unschedulable == Trouble(reason="Unschedulable", message=words, since=NOW)
    assert pod.scheduled_at is None


def test_a_pod_that_got_a_node_says_when_and_which() -> None:
    pod = shown(a_pod(conditions=(a_condition("PodScheduled", "True"),)))
    assert (pod.unschedulable, pod.scheduled_at, pod.node) == (None, NOW, "kwok-0")


def test_a_pod_without_its_volumes_says_since_when_and_events_say_why() -> None:
    pod = a_pod(conditions=(a_condition("PodReadyToStartContainers", "False"),))
    why = an_event("FailedMount", "MountVolume.SetUp failed", NOW + SECOND)
    silent, told = shown(pod).unprepared, shown(pod, why).unprepared
    assert silent == Trouble(reason="NotReadyToStartContainers", since=NOW)
    assert told == Trouble(reason="FailedMount", message="MountVolume.SetUp failed", since=NOW)


def test_of_servers_that_do_not_show_it_events_tell_that_a_pod_lacks_its_volumes() -> None:
    why = an_event("FailedMount", "MountVolume.SetUp failed")
    assert shown(a_pod()).unprepared is None
    told = shown(a_pod(), why).unprepared
    assert told == Trouble(reason="FailedMount", message="MountVolume.SetUp failed", since=NOW)
    ready = a_pod(conditions=(a_condition("PodReadyToStartContainers", "True"),))
    assert shown(ready, why).unprepared is None


@pytest.mark.parametrize(
    ("pod", "reason"),
    [
        (
            a_pod(conditions=(a_condition("DisruptionTarget", "True", "PreemptionByScheduler"),)),
            "PreemptionByScheduler",
        ),
        (a_pod(phase="Failed", reason="Evicted", message="low on memory"), "Evicted"),
        (a_pod(phase="Failed", reason="OutOfcpu"), "OutOfcpu"),
        (a_pod(phase="Unknown", reason="NodeLost"), "NodeLost"),
    ],
)
def test_what_took_a_pod_away_is_told(pod: Pod, reason: str) -> None:
    told = shown(pod).disruption
    assert told is not None
    assert told.reason == reason


@pytest.mark.parametrize(
    "pod",
    [
        a_pod(phase="Failed", reason="DeadlineExceeded"),
        a_pod(phase="Failed"),
        a_pod(conditions=(a_condition("DisruptionTarget", "False", "PreemptionByScheduler"),)),
    ],
)
def test_a_pod_that_fails_by_itself_was_not_taken_away(pod: Pod) -> None:
    assert shown(pod).disruption is None


def test_a_pod_whose_node_is_not_heard_is_unknown() -> None:
    assert shown(a_pod(phase="Unknown")).phase is PodPhase.UNKNOWN
