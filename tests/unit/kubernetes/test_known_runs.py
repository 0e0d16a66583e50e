"""What a follower is told as objects come in, in any order, more than once, or not at all."""

import random
import uuid
from datetime import UTC, datetime
from functools import partial

import msgspec
import pytest

from nexus_core.adapters.kubernetes.known_runs import KnownRuns
from nexus_core.adapters.kubernetes.objects import ObjectName
from nexus_core.adapters.kubernetes.runs import Event, InvolvedObject, JobState
from nexus_core.domain.observation import Observation
from support.recorded_runs import SCENES, RecordedRun, recorded

EARLY = datetime(2020, 1, 1, tzinfo=UTC)
LATE = datetime(2030, 1, 1, tzinfo=UTC)


def reasons(told: list[Observation]) -> list[str]:
    return [seen.reason for seen in told]


def everything(run: RecordedRun, runs: KnownRuns) -> list[Observation]:
    told = []
    for pod in run.pods:
        told += runs.pod_applied(pod)
    told += runs.job_applied(run.job)
    for event in run.events:
        told += runs.event_applied(event)
    return told


def test_pods_are_told_of_before_the_end_of_their_job() -> None:
    told = everything(recorded("fails"), KnownRuns())

    assert reasons(told) == ["Started", "Error", "Started", "Error", "BackoffLimitExceeded"]
    assert told[-1].exit_code == 1


@pytest.mark.parametrize("name", SCENES)
def test_in_whatever_order_objects_come_the_same_is_told_and_once(name: str) -> None:
    run = recorded(name)
    expected = sorted(reasons(everything(run, KnownRuns())))
    rng = random.Random(name)  # noqa: S311 - an order, and the same each time
    for _ in range(20):
        runs, told = KnownRuns(), []
        steps = [
            partial(runs.job_applied, run.job),
            *(partial(runs.pod_applied, pod) for pod in run.pods),
            *(partial(runs.event_applied, event) for event in run.events),
        ] * 2
        rng.shuffle(steps)
        for step in steps:
            told += step()
        # A pod that can't pull its image says so in a state, in events, or in both.
        assert set(reasons(told)) <= {*expected, "Failed", "BackOff"}
        assert set(expected) <= set(reasons(told))
        assert all(reasons(told).count(reason) == expected.count(reason) for reason in expected)


def test_of_a_pod_whose_job_is_not_there_nothing_is_told() -> None:
    run, runs = recorded("runs"), KnownRuns()
    assert runs.pod_applied(run.pods[0]) == []
    assert reasons(runs.job_applied(run.job)) == ["Started"]


def test_a_pod_that_goes_before_its_job_comes_is_forgotten() -> None:
    run, runs = recorded("runs"), KnownRuns()
    runs.pod_applied(run.pods[0])
    runs.pod_deleted(ObjectName.of(run.pods[0].metadata))
    assert runs.job_applied(run.job) == []


def test_a_pod_of_an_earlier_job_of_the_same_name_is_not_told_of() -> None:
    run, runs = recorded("runs"), KnownRuns()
    again = msgspec.structs.replace(
        run.job, metadata=msgspec.structs.replace(run.job.metadata, uid="another")
    )
    runs.job_applied(again)
    assert runs.pod_applied(run.pods[0]) == []


def test_a_job_that_is_made_anew_under_its_name_is_told_of_anew() -> None:
    run, runs = recorded("deadline"), KnownRuns()
    assert reasons(runs.job_applied(run.job)) == ["DeadlineExceeded"]
    again = msgspec.structs.replace(
        run.job, metadata=msgspec.structs.replace(run.job.metadata, uid="another")
    )
    assert reasons(runs.job_applied(again)) == ["DeadlineExceeded"]


def test_a_deleted_job_is_told_of_no_more() -> None:
    run, runs = recorded("image-missing"), KnownRuns()
    runs.job_applied(run.job)
    runs.job_deleted(ObjectName.of(run.job.metadata))
    assert runs.pod_applied(run.pods[0]) == []


def test_a_pod_that_is_gone_still_explains_the_end_of_its_job() -> None:
    run, runs = recorded("out-of-memory"), KnownRuns()
    active = msgspec.structs.replace(run.job, status=JobState(active=1))
    runs.job_applied(active)
    runs.pod_applied(run.pods[0])
    runs.pod_deleted(ObjectName.of(run.pods[0].metadata))
    (told,) = runs.job_applied(run.job)
    assert told.termination_reason == "OOMKilled"


@pytest.mark.parametrize(
    ("name", "lacks"),
    [("fails", True), ("completes", True), ("deadline", False), ("runs", False)],
)
def test_a_job_that_ended_before_its_pods_were_heard_of_lacks_them(
    name: str, *, lacks: bool
) -> None:
    run, runs = recorded(name), KnownRuns()
    assert runs.lacks_pods(run.job) is lacks
    for pod in run.pods:
        runs.pod_applied(pod)
    assert not runs.lacks_pods(run.job)


def test_a_job_that_can_not_create_pods_is_told_by_its_event_alone() -> None:
    run, runs = recorded("runs"), KnownRuns()
    runs.job_applied(run.job)

    (told,) = runs.event_applied(_event(run, "Job", "FailedCreate", LATE))

    assert (told.kind, told.reason) == ("Job", "FailedCreate")
    assert told.key == run.key


def test_a_job_that_could_not_create_pods_for_a_moment_has_them_now() -> None:
    run, runs = recorded("runs"), KnownRuns()
    runs.job_applied(run.job)
    runs.pod_applied(run.pods[0])
    assert runs.event_applied(_event(run, "Job", "FailedCreate", LATE)) == []


def test_a_failed_pull_counts_no_more_once_the_container_has_started() -> None:
    run, runs = recorded("runs"), KnownRuns()
    runs.job_applied(run.job)
    runs.pod_applied(run.pods[0])
    assert runs.event_applied(_event(run, "Pod", "Failed", EARLY)) == []
    assert reasons(runs.event_applied(_event(run, "Pod", "Failed", LATE))) == ["Failed"]


def test_an_event_that_comes_before_its_job_waits_for_it() -> None:
    run, runs = recorded("never-starts"), KnownRuns()
    assert runs.event_applied(_event(run, "Pod", "Failed", LATE)) == []
    assert reasons(runs.job_applied(run.job)) == ["Failed"]


def test_events_that_wait_for_jobs_that_never_come_are_bounded() -> None:
    run, runs = recorded("never-starts"), KnownRuns()
    for _ in range(3000):
        runs.event_applied(_event(run, "Pod", "Failed", LATE, name=f"{uuid.uuid4()}-abcde"))
    assert len(runs._events) == 1000


def test_events_of_what_is_no_run_do_not_wait() -> None:
    run, runs = recorded("never-starts"), KnownRuns()
    runs.event_applied(_event(run, "Pod", "Failed", LATE, name="coredns-7c65d6cfc9-abcde"))
    assert not runs._events


def test_events_that_mean_nothing_are_not_told() -> None:
    run, runs = recorded("completes"), KnownRuns()
    runs.job_applied(run.job)
    for pod in run.pods:
        runs.pod_applied(pod)
    assert [told for event in run.events for told in runs.event_applied(event)] == []


def _event(run: RecordedRun, kind: str, reason: str, at: datetime, name: str = "") -> Event:
    subject = run.job.metadata if kind == "Job" else run.pods[0].metadata
    return Event(
        metadata=msgspec.structs.replace(subject, uid=f"event-{reason}"),
        involved_object=InvolvedObject(kind=kind, name=name or subject.name, uid=subject.uid),
        reason=reason,
        message="said the kubelet",
        last_timestamp=at,
    )
