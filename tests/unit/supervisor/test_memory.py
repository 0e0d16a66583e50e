"""What a supervisor remembers, and that remembering less changes no outcome."""

from datetime import datetime, timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from nexus_core.domain.judge import judge
from nexus_core.domain.names import RunKey
from nexus_core.domain.observation import JobPhase, JobStatus, PodPhase, Trouble
from nexus_core.domain.verdicts import Patience
from nexus_supervisor.memory import RunMemory
from support.observations import KEY, a_job_status, a_pod_status
from support.runs import LONG_AGO

BOUND = 20_000


def at(seconds: float) -> datetime:
    return LONG_AGO + timedelta(seconds=seconds)


def waiting(reason: str, since: datetime | None = None, uid: str = "pod-1") -> JobStatus:
    pod = a_pod_status(uid=uid, waiting=Trouble(reason=reason, since=since))
    return a_job_status(JobPhase.ACTIVE, attended_at=LONG_AGO, pods=(pod,))


RUNNING = a_job_status(
    JobPhase.ACTIVE,
    attended_at=LONG_AGO,
    started=True,
    pods=(a_pod_status(PodPhase.RUNNING, started_at=LONG_AGO),),
)


def since_of(status: JobStatus) -> datetime | None:
    (pod,) = status.pods
    return pod.waiting.since if pod.waiting else None


def test_trouble_counts_from_when_it_was_first_seen() -> None:
    memory = RunMemory()
    assert since_of(memory.saw(waiting("ErrImagePull"), at(5))) == at(5)
    assert since_of(memory.saw(waiting("ImagePullBackOff"), at(25))) == at(5)


def test_trouble_of_another_kind_counts_from_its_own_beginning() -> None:
    memory = RunMemory()
    memory.saw(waiting("ErrImagePull"), at(5))
    assert since_of(memory.saw(waiting("CreateContainerConfigError"), at(25))) == at(25)


def test_trouble_that_has_passed_is_forgotten() -> None:
    memory = RunMemory()
    memory.saw(waiting("ErrImagePull"), at(5))
    memory.saw(RUNNING, at(10))
    assert since_of(memory.saw(waiting("ErrImagePull"), at(25))) == at(25)


def test_what_an_event_says_counts_where_it_was_before_anybody_looked() -> None:
    memory = RunMemory()
    assert since_of(memory.saw(waiting("ErrImagePull", at(3)), at(5))) == at(3)
    assert since_of(memory.saw(waiting("ErrImagePull"), at(9))) == at(3)
    assert since_of(memory.saw(waiting("ErrImagePull", at(8)), at(9))) == at(3)


def test_what_may_still_come_to_run_is_no_trouble() -> None:
    memory = RunMemory()
    assert since_of(memory.saw(waiting("ContainerCreating"), at(5))) is None
    assert memory.saw(RUNNING, at(5)) == RUNNING


def test_the_last_that_was_seen_of_a_job_is_remembered_when_it_goes() -> None:
    memory = RunMemory()
    memory.saw(RUNNING, at(5))
    assert memory.last_of(KEY) is None
    gone = msgspec.structs.replace(RUNNING, deleted_at=at(9))
    memory.saw(gone, at(9))
    assert memory.last_of(KEY) == gone


def test_a_job_that_is_listed_again_is_not_gone() -> None:
    memory = RunMemory()
    memory.saw(msgspec.structs.replace(RUNNING, deleted_at=at(9)), at(9))
    memory.saw(msgspec.structs.replace(RUNNING, uid="another"), at(10))
    assert memory.last_of(KEY) is not None
    memory.saw(RUNNING, at(11))
    assert memory.last_of(KEY) is None


def test_a_run_is_known_to_run_by_this_very_job() -> None:
    memory = RunMemory()
    assert not memory.is_known_to_run(RUNNING)
    memory.note_running(KEY, RUNNING.uid)
    assert memory.is_known_to_run(RUNNING)
    assert not memory.is_known_to_run(msgspec.structs.replace(RUNNING, uid="another"))


def test_what_was_seen_longest_ago_is_forgotten_first() -> None:
    memory = RunMemory()
    gone = [
        msgspec.structs.replace(RUNNING, key=RunKey("a", str(n)), deleted_at=LONG_AGO)
        for n in range(BOUND + 1)
    ]
    for status in gone:
        memory.saw(status, LONG_AGO)
    assert memory.last_of(gone[0].key) is None
    assert memory.last_of(gone[1].key) is not None
    for n in range(BOUND + 1):
        memory.saw(waiting("ErrImagePull", uid=f"pod-{n}"), at(1))
    assert since_of(memory.saw(waiting("ErrImagePull", uid="pod-0"), at(2))) == at(2)
    assert since_of(memory.saw(waiting("ErrImagePull", uid=f"pod-{BOUND}"), at(2))) == at(1)


STATES = [
    waiting("ContainerCreating"),
    waiting("ErrImagePull"),
    waiting("ErrImagePull", at(1)),
    waiting("ImagePullBackOff"),
    waiting("CreateContainerConfigError"),
    RUNNING,
    a_job_status(JobPhase.ACTIVE),
    a_job_status(JobPhase.FAILED, reason="DeadlineExceeded", finished_at=at(9)),
    msgspec.structs.replace(RUNNING, deleted_at=at(9)),
]


@given(
    seen=st.lists(st.tuples(st.sampled_from(STATES), st.floats(0, 30)), max_size=10),
    last=st.sampled_from(STATES),
)
def test_whatever_was_seen_before_and_in_whatever_order_the_last_state_decides(
    seen: list[tuple[JobStatus, float]], last: JobStatus
) -> None:
    memory = RunMemory()
    for status, seconds in seen:
        memory.saw(status, at(seconds))
    # Nobody acts in the first moments, and in the end everybody's patience is over.
    memory.saw(last, at(30))
    outcome = judge(memory.saw(last, at(10_000)), at(10_000), Patience())

    alone = RunMemory()
    alone.saw(last, at(30))
    assert outcome == judge(alone.saw(last, at(10_000)), at(10_000), Patience())
