"""What is seen of runs is written down: a little later, in few writes, and never for ever."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from nexus_core.aio.tasks import BackgroundTasks
from nexus_core.domain.journal import RunEventKind
from nexus_core.domain.names import RunKey
from nexus_core.domain.observation import (
    ContainerEnding,
    JobPhase,
    JobStatus,
    PodPhase,
    PodStatus,
    Trouble,
)
from nexus_supervisor.chronicle import Chronicle
from nexus_supervisor.metrics import StoryMetrics
from support.clock import ManualClock, settle
from support.clusters import a_run_key
from support.memory_journal import MemoryJournal
from support.observations import KEY

K = RunEventKind


@pytest.fixture
def journal() -> MemoryJournal:
    return MemoryJournal()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def chronicle(journal: MemoryJournal, clock: ManualClock, registry: CollectorRegistry) -> Chronicle:
    return Chronicle(journal, "shard-0", clock, StoryMetrics(registry))


@pytest.fixture
async def tasks(chronicle: Chronicle) -> AsyncIterator[BackgroundTasks]:
    async with BackgroundTasks() as tasks:
        tasks.start("chronicle", chronicle.write())
        await settle()
        yield tasks
        assert not tasks.fault.done()


def a_status(clock: ManualClock, key: RunKey = KEY, **pod: Any) -> JobStatus:
    """Return the state of a Job whose pod has a node since now, and waits for its image."""
    first = PodStatus(
        uid="u",
        name="pod-1",
        phase=PodPhase.PENDING,
        created_at=clock.now(),
        scheduled_at=clock.now(),
        node="node-1",
        waiting=Trouble(reason="ContainerCreating"),
    )
    return JobStatus(
        key=key,
        uid="uid-1",
        phase=JobPhase.ACTIVE,
        created_at=clock.now(),
        pods=(replace(first, **pod),),
    )


def started(status: JobStatus, seconds: float = 2.0) -> JobStatus:
    (pod,) = status.pods
    at = pod.created_at + timedelta(seconds=seconds)
    pod = replace(pod, phase=PodPhase.RUNNING, waiting=None, started_at=at)
    return replace(status, pods=(pod,), started=True)


def ended(status: JobStatus, seconds: float = 4.0, code: int = 0) -> JobStatus:
    (pod,) = status.pods
    at = pod.created_at + timedelta(seconds=seconds)
    reason = "Error" if code else "Completed"
    pod = replace(pod, ending=ContainerEnding(exit_code=code, reason=reason, at=at))
    phase = JobPhase.FAILED if code else JobPhase.SUCCEEDED
    return replace(status, pods=(pod,), phase=phase, finished_at=at, reason="X" if code else "")


async def kinds(journal: MemoryJournal, key: RunKey = KEY) -> list[K]:
    return [event.kind for event in await journal.events(key)]


def counted(registry: CollectorRegistry, outcome: str) -> float:
    labels = {"cluster": "shard-0", "outcome": outcome}
    return registry.get_sample_value("nexus_supervisor_journal_events_total", labels) or 0.0


@pytest.mark.usefixtures("tasks")
async def test_a_short_run_that_goes_well_is_one_write(
    chronicle: Chronicle, journal: MemoryJournal, clock: ManualClock
) -> None:
    status = a_status(clock)
    chronicle.saw(status)
    await clock.advance(2)
    chronicle.saw(started(status))
    await clock.advance(2)
    chronicle.saw(ended(started(status)))
    await clock.advance(10)

    assert len(journal.writes) == 1
    assert await kinds(journal) == [K.SCHEDULED, K.STARTED, K.ENDED, K.JOB_ENDED]


@pytest.mark.usefixtures("tasks")
async def test_many_runs_are_one_write(
    chronicle: Chronicle, journal: MemoryJournal, clock: ManualClock
) -> None:
    keys = [a_run_key() for _ in range(100)]
    for key in keys:
        chronicle.saw(a_status(clock, key))
    await clock.advance(10)

    assert len(journal.writes) == 1
    assert {event.key for event in journal.writes[0]} == set(keys)


@pytest.mark.usefixtures("tasks")
async def test_a_long_run_is_two_writes(
    chronicle: Chronicle, journal: MemoryJournal, clock: ManualClock
) -> None:
    status = a_status(clock)
    chronicle.saw(status)
    await clock.advance(2)
    chronicle.saw(started(status))
    await clock.advance(3600)
    chronicle.saw(ended(started(status), 3600))
    await clock.advance(10)

    assert [[event.kind for event in write] for write in journal.writes] == [
        [K.SCHEDULED, K.STARTED],
        [K.ENDED, K.JOB_ENDED],
    ]


@pytest.mark.usefixtures("tasks")
async def test_a_pod_that_waits_for_long_is_told_of_before_it_starts(
    chronicle: Chronicle, journal: MemoryJournal, clock: ManualClock
) -> None:
    status = a_status(clock)
    chronicle.saw(status)
    await clock.advance(10)
    assert await kinds(journal) == [K.PULLING, K.SCHEDULED]
    chronicle.saw(started(status, 20))
    await clock.advance(10)
    assert await kinds(journal) == [K.PULLING, K.SCHEDULED, K.STARTED]


@pytest.mark.usefixtures("tasks")
async def test_trouble_is_written_within_moments_with_all_that_waited_of_its_run(
    chronicle: Chronicle, journal: MemoryJournal, clock: ManualClock
) -> None:
    status = a_status(clock, waiting=Trouble(reason="ErrImagePull", message="not found"))
    chronicle.saw(status)
    await clock.advance(1)
    assert await kinds(journal) == [K.IMAGE_NOT_PULLED, K.SCHEDULED]


@pytest.mark.usefixtures("tasks")
async def test_the_same_state_seen_again_and_again_is_written_once(
    chronicle: Chronicle, journal: MemoryJournal, clock: ManualClock
) -> None:
    status = ended(started(a_status(clock)))
    for _ in range(5):
        chronicle.saw(status)
        chronicle.saw(replace(status, message="said otherwise"))
        await clock.advance(10)

    assert [len(write) for write in journal.writes] == [4]


@pytest.mark.usefixtures("tasks")
async def test_new_words_for_the_same_trouble_replace_the_old_ones(
    chronicle: Chronicle, journal: MemoryJournal, clock: ManualClock
) -> None:
    for words in ("0/3 nodes", "0/4 nodes"):
        why = Trouble(reason="Unschedulable", message=words, since=clock.now())
        chronicle.saw(a_status(clock, scheduled_at=None, waiting=None, unschedulable=why))
    await clock.advance(1)

    assert [event.message for event in await journal.events(KEY)] == ["0/4 nodes"]


@pytest.mark.usefixtures("tasks")
async def test_a_run_submitted_ahead_of_the_queue_is_told_with_the_reason(
    chronicle: Chronicle, journal: MemoryJournal, clock: ManualClock
) -> None:
    chronicle.submitted_ahead(KEY, "Late")
    await clock.advance(1)
    (event,) = await journal.events(KEY)
    assert (event.kind, event.reason) == (K.SUBMITTED_AHEAD, "Late")


@pytest.mark.usefixtures("tasks")
async def test_what_can_not_be_written_for_a_while_is_written_then(
    chronicle: Chronicle, journal: MemoryJournal, clock: ManualClock
) -> None:
    journal.away = True
    chronicle.saw(ended(a_status(clock), code=3))
    await clock.advance(20)
    journal.away = False
    await clock.advance(10)
    assert K.JOB_ENDED in await kinds(journal)


@pytest.mark.usefixtures("tasks")
async def test_what_can_not_be_written_for_long_is_dropped_counted_and_noted_when_seen_again(
    chronicle: Chronicle,
    journal: MemoryJournal,
    clock: ManualClock,
    registry: CollectorRegistry,
) -> None:
    journal.away = True
    status = ended(started(a_status(clock)), code=3)
    chronicle.saw(status)
    await clock.advance(60)
    assert (counted(registry, "dropped"), counted(registry, "recorded")) == (4, 0)
    journal.away = False
    await clock.advance(60)
    assert not journal.writes

    chronicle.saw(status)
    await clock.advance(1)
    assert len(await kinds(journal)) == 4


@pytest.mark.usefixtures("tasks")
async def test_what_waits_is_bounded(
    chronicle: Chronicle,
    journal: MemoryJournal,
    clock: ManualClock,
    registry: CollectorRegistry,
) -> None:
    journal.open_gate.clear()
    status = ended(started(a_status(clock)), code=3)
    for number in range(6000):
        key = RunKey("hello-world", f"{number:08}-0000-7000-8000-000000000001")
        chronicle.saw(replace(status, key=key))
    await settle()
    assert counted(registry, "dropped") == 4000
    journal.open_gate.set()
    await clock.advance(1)
    assert counted(registry, "recorded") == 20_000


async def test_what_waits_is_written_on_stopping(
    chronicle: Chronicle, journal: MemoryJournal, clock: ManualClock
) -> None:
    chronicle.saw(started(a_status(clock)))
    await chronicle.drain(5)
    assert await kinds(journal) == [K.SCHEDULED, K.STARTED]


async def stopped_while_it_writes(
    chronicle: Chronicle, journal: MemoryJournal, clock: ManualClock
) -> None:
    """Stop it while the journal, whose gate is shut, takes nothing; let it drain when it does."""
    async with BackgroundTasks() as tasks:
        tasks.start("chronicle", chronicle.write())
        await clock.advance(1)
        assert not journal.writes
    journal.open_gate.set()
    await chronicle.drain(5)


async def test_what_was_being_written_on_stopping_is_written_all_the_same(
    chronicle: Chronicle, journal: MemoryJournal, clock: ManualClock
) -> None:
    journal.open_gate.clear()
    chronicle.saw(ended(a_status(clock), code=3))
    await stopped_while_it_writes(chronicle, journal, clock)
    assert K.JOB_ENDED in await kinds(journal)


async def test_what_waits_behind_what_is_being_written_is_written_on_stopping_too(
    chronicle: Chronicle, journal: MemoryJournal, clock: ManualClock
) -> None:
    runs = [a_run_key() for _ in range(600)]
    journal.open_gate.clear()
    for key in runs:
        chronicle.saw(ended(a_status(clock, key), code=3))
    await stopped_while_it_writes(chronicle, journal, clock)
    assert [key for key in runs if not await journal.events(key)] == []


async def test_a_store_that_hangs_holds_up_no_stop(
    chronicle: Chronicle, journal: MemoryJournal, clock: ManualClock
) -> None:
    journal.open_gate.clear()
    chronicle.saw(started(a_status(clock)))
    async with asyncio.timeout(5):
        await chronicle.drain(0.01)
    assert not journal.writes
