"""What the state of a Job and its pods tells of a run's way."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from nexus_core.domain.journal import RunEventKind
from nexus_core.domain.observation import (
    ContainerEnding,
    JobPhase,
    JobStatus,
    PodPhase,
    PodStatus,
    Trouble,
)
from nexus_core.domain.run_events import run_events
from support.observations import a_job_status
from support.runs import LONG_AGO

K = RunEventKind


def at(seconds: float) -> datetime:
    return LONG_AGO + timedelta(seconds=seconds)


def a_pod(**changes: Any) -> PodStatus:
    pod = PodStatus(uid="u", name="pod-1", phase=PodPhase.PENDING, created_at=at(1))
    return msgspec.structs.replace(pod, **changes)


def told(*pods: PodStatus, **job: Any) -> list[tuple[K, float, str, str, str]]:
    status = a_job_status(job.pop("phase", JobPhase.ACTIVE), pods=pods, **job)
    return [
        (e.kind, (e.at - LONG_AGO).total_seconds(), e.subject, e.reason, e.message)
        for e in run_events(status)
    ]


def test_a_job_without_pods_tells_nothing() -> None:
    assert told() == []


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("ContainerCreating", K.PULLING),
        ("PodInitializing", K.PULLING),
        ("", K.PULLING),
        ("ErrImagePull", K.IMAGE_NOT_PULLED),
        ("ImagePullBackOff", K.IMAGE_NOT_PULLED),
        ("InvalidImageName", K.IMAGE_NOT_PULLED),
        ("RegistryUnavailable", K.IMAGE_NOT_PULLED),
        ("CreateContainerConfigError", K.CONTAINER_NOT_CREATED),
        ("RunContainerError", K.CONTAINER_NOT_CREATED),
        ("CrashLoopBackOff", K.BACKING_OFF),
    ],
)
def test_why_a_container_waits_is_told_since_its_pod_had_a_node(reason: str, kind: K) -> None:
    pod = a_pod(scheduled_at=at(2), node="node-1", waiting=Trouble(reason=reason, message="words"))
    assert told(pod) == [
        (K.SCHEDULED, 2, "pod-1", "node-1", ""),
        (kind, 2, "pod-1", reason, "words"),
    ]


def test_that_no_node_takes_a_pod_is_told_since_its_state_says_so() -> None:
    why = Trouble(reason="Unschedulable", message="0/3 nodes", since=at(4))
    assert told(a_pod(unschedulable=why)) == [
        (K.UNSCHEDULABLE, 4, "pod-1", "Unschedulable", "0/3 nodes")
    ]


def test_a_pod_without_a_node_waits_for_nothing_else() -> None:
    waiting = Trouble(reason="ContainerCreating")
    assert told(a_pod(waiting=waiting)) == []


def test_what_only_an_event_dates_is_told_by_the_state_before_it() -> None:
    pod = a_pod(scheduled_at=at(2), waiting=Trouble(reason="ErrImagePull", since=at(7)))
    assert (K.IMAGE_NOT_PULLED, 2) in {(kind, when) for kind, when, *_ in told(pod)}


def test_volumes_that_are_not_there_are_told_in_the_words_of_the_cluster() -> None:
    why = Trouble(reason="FailedMount", message="secret not found", since=at(9))
    waiting = Trouble(reason="ContainerCreating")
    pod = a_pod(scheduled_at=at(2), unprepared=why, waiting=waiting)
    assert told(pod)[1:] == [(K.PULLING, 2, "pod-1", "FailedMount", "secret not found")]


def test_a_pod_that_is_refused_is_told_since_the_job_has_none() -> None:
    why = Trouble(reason="FailedCreate", message="exceeded quota", since=at(30))
    words = ("", "FailedCreate", "exceeded quota")
    assert told(refused=why, attended_at=at(3)) == [(K.POD_REFUSED, 3, *words)]
    gone = a_pod(ending=ContainerEnding(exit_code=1, reason="Error", at=at(8)))
    assert (K.POD_REFUSED, 8, *words) in told(gone, refused=why, attended_at=at(3))


def test_a_crashed_container_waits_since_it_ended() -> None:
    pod = a_pod(
        scheduled_at=at(2),
        started_at=at(3),
        ending=ContainerEnding(exit_code=1, reason="Error", at=at(5)),
        waiting=Trouble(reason="CrashLoopBackOff"),
    )
    assert [(kind, when) for kind, when, *_ in told(pod)] == [
        (K.SCHEDULED, 2),
        (K.STARTED, 3),
        (K.BACKING_OFF, 5),
        (K.ENDED, 5),
    ]


@pytest.mark.parametrize(
    ("words", "message"), [("", "exit code 137"), ("no memory", "exit code 137: no memory")]
)
def test_an_end_is_told_with_its_exit_code(words: str, message: str) -> None:
    end = ContainerEnding(exit_code=137, reason="OOMKilled", at=at(9), message=words)
    assert told(a_pod(ending=end)) == [(K.ENDED, 9, "pod-1", "OOMKilled", message)]


def test_a_disruption_is_told_when_it_came_or_when_its_pod_ended() -> None:
    end = ContainerEnding(exit_code=143, reason="Error", at=at(9))
    without = Trouble(reason="EvictionByEvictionAPI", message="evicting")
    known = Trouble(reason="EvictionByEvictionAPI", message="evicting", since=at(8))
    words = ("pod-1", "EvictionByEvictionAPI", "evicting")
    assert (K.DISRUPTED, 9, *words) in told(a_pod(ending=end, disruption=without))
    assert (K.DISRUPTED, 8, *words) in told(a_pod(ending=end, disruption=known))


def test_the_pods_of_several_tries_are_told_apart() -> None:
    first = a_pod(started_at=at(2), ending=ContainerEnding(exit_code=1, reason="Error", at=at(3)))
    second = a_pod(name="pod-2", created_at=at(13), started_at=at(14))
    assert [(kind, subject) for kind, _, subject, *_ in told(first, second)] == [
        (K.STARTED, "pod-1"),
        (K.ENDED, "pod-1"),
        (K.STARTED, "pod-2"),
    ]


@pytest.mark.parametrize(
    ("phase", "reason", "said"),
    [
        (JobPhase.FAILED, "BackoffLimitExceeded", "BackoffLimitExceeded"),
        (JobPhase.SUCCEEDED, "", "Completed"),
    ],
)
def test_the_end_of_a_job_is_told(phase: JobPhase, reason: str, said: str) -> None:
    job = told(phase=phase, finished_at=at(10), reason=reason, message="words")
    assert job == [(K.JOB_ENDED, 10, "", said, "words")]


def test_what_people_do_to_a_job_is_told() -> None:
    assert told(suspended=Trouble(reason="JobSuspended", since=at(3))) == [
        (K.SUSPENDED, 3, "", "JobSuspended", "")
    ]
    assert told(resumed_at=at(5), deleted_at=at(7)) == [
        (K.RESUMED, 5, "", "", ""),
        (K.JOB_DELETED, 7, "", "", ""),
    ]


def test_that_a_job_is_removed_after_its_end_is_not_told() -> None:
    job = told(phase=JobPhase.SUCCEEDED, finished_at=at(10), deleted_at=at(310))
    assert [kind for kind, *_ in job] == [K.JOB_ENDED]


def test_the_same_state_tells_the_same_events_whoever_looks_and_whenever() -> None:
    pod = a_pod(scheduled_at=at(2), waiting=Trouble(reason="ErrImagePull"))
    seen: JobStatus = a_job_status(JobPhase.ACTIVE, pods=(pod,))
    later = msgspec.structs.replace(seen, pods=(a_pod(scheduled_at=at(2), started_at=at(4)),))
    first = {(e.kind, e.at, e.subject) for e in run_events(seen)}
    assert first - {(e.kind, e.at, e.subject) for e in run_events(later)} == {
        (K.IMAGE_NOT_PULLED, at(2), "pod-1")
    }
    assert run_events(seen) == run_events(seen)


def test_very_long_words_are_cut_off() -> None:
    why = Trouble(reason="Unschedulable", message="no " * 1000)
    ((*_, message),) = told(a_pod(unschedulable=why))
    assert len(message) == 2000
    assert message.endswith("…")
