"""What a follower is told as objects come in, in any order, more than once, or not at all."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus_core.adapters.kubernetes.known_runs import KnownRuns
from nexus_core.adapters.kubernetes.objects import ObjectName
from nexus_core.adapters.kubernetes.runs import Event, InvolvedObject, JobState
from nexus_core.domain.judge import judge
from nexus_core.domain.observation import JobPhase, JobStatus
from nexus_core.domain.stages import Stage
from nexus_core.domain.verdicts import Patience
from support.recorded_runs import SCENES, RecordedRun, recorded

LATE = datetime(2030, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)

Step = Callable[[], JobStatus | None]


def everything(run: RecordedRun, runs: KnownRuns) -> JobStatus:
    """Let a follower hear of all that was recorded; return the last that it is told."""
    told = [runs.pod_applied(pod) for pod in run.pods]
    told.append(runs.job_applied(run.job))
    told += [runs.event_applied(event) for event in run.events]
    *_, last = [status for status in told if status is not None]
    return last


@pytest.mark.parametrize("name", SCENES)
@given(data=st.data())
def test_in_whatever_order_objects_come_they_end_in_the_same_status(
    name: str, data: st.DataObject
) -> None:
    run = recorded(name)
    runs = KnownRuns()
    steps: list[Step] = [
        partial(runs.job_applied, run.job),
        *(partial(runs.pod_applied, pod) for pod in run.pods),
        *(partial(runs.event_applied, event) for event in run.events),
    ]
    told = [step() for step in data.draw(st.permutations(steps * 2))]
    news = [status for status in told if status is not None]
    assert news[-1] == everything(run, KnownRuns())
    assert all(one != other for one, other in pairwise(news))


@pytest.mark.parametrize("name", SCENES)
@given(data=st.data())
def test_events_that_are_missed_doubled_or_late_change_neither_stage_nor_cause(
    name: str, data: st.DataObject
) -> None:
    run = recorded(name)
    expected = outcome(everything(run, KnownRuns()))
    runs = KnownRuns()
    seen: list[Step] = [
        *(partial(runs.event_applied, event) for event in run.events),
        *(partial(runs.pod_applied, pod) for pod in run.pods),
        partial(runs.job_applied, run.job),
    ]
    told = [step() for step in data.draw(st.lists(st.sampled_from(seen), max_size=12))]
    # Whatever was heard before, the states come in the end.
    told += [runs.pod_applied(pod) for pod in run.pods]
    told.append(runs.job_applied(run.job))
    *_, last = [status for status in told if status is not None]
    assert outcome(last) == expected


def outcome(status: JobStatus) -> tuple[Stage, str] | None:
    """Return how a run ends long after, where a supervisor has seen since when it is in trouble."""
    pods = tuple(
        msgspec.structs.replace(
            pod, waiting=msgspec.structs.replace(pod.waiting, since=pod.created_at)
        )
        if pod.waiting
        else pod
        for pod in status.pods
    )
    verdict = judge(msgspec.structs.replace(status, pods=pods), LATE, Patience())
    return (verdict.stage, verdict.cause) if verdict else None


def test_of_a_pod_whose_job_is_not_there_nothing_is_told() -> None:
    run, runs = recorded("runs"), KnownRuns()
    assert runs.pod_applied(run.pods[0]) is None
    told = runs.job_applied(run.job)
    assert told is not None
    assert [pod.uid for pod in told.pods] == [run.pods[0].metadata.uid]


def test_a_pod_that_goes_before_its_job_comes_is_forgotten() -> None:
    run, runs = recorded("runs"), KnownRuns()
    runs.pod_applied(run.pods[0])
    runs.pod_deleted(ObjectName.of(run.pods[0].metadata))
    told = runs.job_applied(run.job)
    assert told is not None
    assert told.pods == ()


def test_a_pod_of_an_earlier_job_of_the_same_name_is_not_told_of() -> None:
    run, runs = recorded("runs"), KnownRuns()
    again = msgspec.structs.replace(
        run.job, metadata=msgspec.structs.replace(run.job.metadata, uid="another")
    )
    runs.job_applied(again)
    assert runs.pod_applied(run.pods[0]) is None


def test_a_job_that_is_made_anew_under_its_name_is_told_of_anew() -> None:
    run, runs = recorded("out-of-memory"), KnownRuns()
    everything(run, runs)
    again = msgspec.structs.replace(
        run.job, metadata=msgspec.structs.replace(run.job.metadata, uid="another")
    )
    told = runs.job_applied(again)
    assert told is not None
    assert (told.uid, told.pods, told.exit_code) == ("another", (), None)


def test_a_deleted_job_is_told_of_once_more_as_it_was_last() -> None:
    run, runs = recorded("image-missing"), KnownRuns()
    known = everything(run, runs)
    name = ObjectName.of(run.job.metadata)
    assert runs.job_deleted(name, LATE) == msgspec.structs.replace(known, deleted_at=LATE)
    assert runs.job_deleted(name, LATE) is None
    assert runs.pod_applied(run.pods[0]) is None


def test_a_job_whose_deletion_was_told_already_goes_in_silence() -> None:
    run, runs = recorded("runs"), KnownRuns()
    metadata = msgspec.structs.replace(run.job.metadata, deletion_timestamp=LATE)
    told = runs.job_applied(msgspec.structs.replace(run.job, metadata=metadata))
    assert told is not None
    assert told.deleted_at == LATE
    assert runs.job_deleted(ObjectName.of(metadata), LATE + SECOND) is None


def test_a_pod_that_is_gone_still_explains_the_end_of_its_job() -> None:
    run, runs = recorded("out-of-memory"), KnownRuns()
    active = msgspec.structs.replace(run.job, status=JobState(active=1))
    runs.job_applied(active)
    runs.pod_applied(run.pods[0])
    runs.pod_deleted(ObjectName.of(run.pods[0].metadata))
    told = runs.job_applied(run.job)
    assert told is not None
    assert told.termination_reason == "OOMKilled"
    assert told.pods == ()


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


def test_pods_are_asked_for_once_though_the_end_of_their_job_comes_again() -> None:
    run, runs = recorded("fails"), KnownRuns()
    assert runs.lacks_pods(run.job)
    runs.job_applied(run.job)
    assert not runs.lacks_pods(run.job)


# What only events tell.


def without_pods(run: RecordedRun) -> KnownRuns:
    runs = KnownRuns()
    runs.job_applied(msgspec.structs.replace(run.job, status=JobState()))
    return runs


def test_a_job_that_can_not_create_pods_says_why() -> None:
    run = recorded("runs")
    runs = without_pods(run)
    told = runs.event_applied(_event(run, "Job", "FailedCreate", LATE))
    assert told is not None
    assert told.phase is JobPhase.ACTIVE
    assert told.refused is not None
    assert (told.refused.reason, told.refused.since) == ("FailedCreate", LATE)


def test_a_job_that_could_not_create_pods_for_a_moment_has_them_now() -> None:
    run = recorded("runs")
    runs = without_pods(run)
    runs.event_applied(_event(run, "Job", "FailedCreate", LATE))
    told = runs.pod_applied(run.pods[0])
    assert told is not None
    assert told.refused is None


def test_a_job_that_was_refused_a_pod_before_it_had_one_is_not_refused_the_next() -> None:
    run, runs = recorded("fails"), KnownRuns()
    active = msgspec.structs.replace(run.job, status=JobState())
    runs.job_applied(active)
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    runs.event_applied(_event(run, "Job", "FailedCreate", long_ago))
    told = runs.pod_applied(run.pods[0])
    assert told is not None
    assert told.refused is None
    told = runs.event_applied(_event(run, "Job", "FailedCreate", LATE))
    assert told is not None
    assert told.refused is not None
    assert told.refused.since == told.pods[-1].created_at


def test_an_event_that_comes_before_its_job_waits_for_it() -> None:
    run, runs = recorded("runs"), KnownRuns()
    assert runs.event_applied(_event(run, "Job", "FailedCreate", LATE)) is None
    told = runs.job_applied(msgspec.structs.replace(run.job, status=JobState()))
    assert told is not None
    assert told.refused is not None


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
    assert not [told for event in run.events if (told := runs.event_applied(event))]


def _event(run: RecordedRun, kind: str, reason: str, at: datetime, name: str = "") -> Event:
    subject = run.job.metadata if kind == "Job" else run.pods[0].metadata
    return Event(
        metadata=msgspec.structs.replace(subject, uid=f"event-{reason}"),
        involved_object=InvolvedObject(kind=kind, name=name or subject.name, uid=subject.uid),
        reason=reason,
        message="said the kubelet",
        last_timestamp=at,
        first_timestamp=at,
    )
