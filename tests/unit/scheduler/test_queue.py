"""The queue: whose turn it is, and when."""

import asyncio
import weakref
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from nexus_core.aio.circuit import Circuit
from nexus_core.aio.tasks import BackgroundTasks
from nexus_core.domain.errors import (
    HeldUpError,
    NotNowError,
    OverloadedError,
    UnavailableError,
)
from nexus_core.domain.journal import LaneSample, LaneState
from nexus_core.domain.names import RunKey
from nexus_core.operations.launch import BufferedRun, Launched
from support.clock import ManualClock, settle
from support.launching import RecordingLauncher, a_buffered_run, a_queue
from support.meddling import meddled
from support.runs import LONG_AGO


@pytest.fixture
def launcher() -> RecordingLauncher:
    return RecordingLauncher()


@pytest.fixture
async def tasks() -> AsyncIterator[BackgroundTasks]:
    async with BackgroundTasks() as tasks:
        yield tasks
        assert not tasks.fault.done()


async def test_delayed_runs_go_ahead_and_each_kind_in_order_of_arrival(
    launcher: RecordingLauncher, clock: ManualClock, tasks: BackgroundTasks
) -> None:
    queue = a_queue(launcher, clock, workers=1)
    fresh = [a_buffered_run() for _ in range(3)]
    delayed = [a_buffered_run() for _ in range(3)]
    for new, late in zip(fresh, delayed, strict=True):
        queue.put(new)
        queue.put(late, delayed=True)
    queue.start(tasks)
    await settle()
    assert launcher.launched == [*delayed, *fresh]


async def test_a_run_that_waits_already_keeps_its_one_place(
    launcher: RecordingLauncher, clock: ManualClock, tasks: BackgroundTasks
) -> None:
    queue = a_queue(launcher, clock)
    run, other = a_buffered_run(), a_buffered_run()
    for again in (run, other, run):
        queue.put(again)
    queue.put(run, delayed=True)
    assert len(queue) == 2
    queue.start(tasks)
    await settle()
    assert launcher.launched == [run, other]


async def test_as_many_launches_are_under_way_as_there_are_workers(
    launcher: RecordingLauncher, clock: ManualClock, tasks: BackgroundTasks
) -> None:
    queue = a_queue(launcher, clock, workers=3)
    launcher.open_gate.clear()
    for _ in range(5):
        queue.put(a_buffered_run())
    queue.start(tasks)
    await settle()
    assert (len(launcher.begun), len(queue)) == (3, 2)
    launcher.open_gate.set()
    await settle()
    assert len(launcher.launched) == 5


async def test_a_cluster_that_refuses_is_sent_less_and_no_run_is_lost(
    launcher: RecordingLauncher, clock: ManualClock, tasks: BackgroundTasks
) -> None:
    queue = a_queue(
        launcher, clock, rate_limit_elements_per_second=10.0, rate_limit_elements_burst=1
    )
    (lane,) = queue._lanes.values()
    runs = [a_buffered_run() for _ in range(60)]
    for run in runs:
        queue.put(run)
    launcher.errors["standalone"] = UnavailableError("too many requests", retry_after=3)
    queue.start(tasks)
    await clock.advance(1)
    assert lane.launch_rate() == 5
    launcher.errors.clear()

    await clock.advance(2)
    assert len(launcher.launched) <= 2
    await clock.advance(5)
    assert 20 <= len(launcher.launched) <= 40
    await clock.advance(10)

    assert sorted(run.key for run in launcher.launched) == sorted(run.key for run in runs)
    assert lane.launch_rate() > 7


async def test_what_was_held_up_is_looked_at_again_and_says_nothing_of_the_cluster(
    launcher: RecordingLauncher, clock: ManualClock, tasks: BackgroundTasks
) -> None:
    queue = a_queue(launcher, clock, workers=1, rate_limit_elements_per_second=10.0)
    (lane,) = queue.lanes
    run = a_buffered_run()
    launcher.errors["standalone"] = HeldUpError("held up before it was sent")
    queue.put(run)
    queue.put(a_buffered_run())
    queue.start(tasks)
    await settle()
    assert launcher.begun
    assert lane.launch_rate() == 10
    assert lane.sample("me").state is LaneState.OPEN
    launcher.errors.clear()
    await clock.advance(1)
    # In front as before, and nothing of it can be there already.
    assert launcher.launched[0] == run


async def test_each_cluster_has_a_rate_limit_of_its_own(
    launcher: RecordingLauncher, clock: ManualClock, tasks: BackgroundTasks
) -> None:
    queue = a_queue(
        launcher,
        clock,
        "one",
        "two",
        rate_limit_elements_per_second=1.0,
        rate_limit_elements_burst=2,
    )
    for cluster in ("one", "two", "one", "two", "one", "two"):
        queue.put(a_buffered_run(cluster=cluster))
    queue.start(tasks)
    await settle()
    assert [run.cluster for run in launcher.launched].count("one") == 2
    assert [run.cluster for run in launcher.launched].count("two") == 2
    await clock.advance(1)
    assert len(launcher.launched) == 6


async def test_runs_that_were_taken_out_cost_no_time(
    launcher: RecordingLauncher, clock: ManualClock, tasks: BackgroundTasks
) -> None:
    queue = a_queue(
        launcher, clock, rate_limit_elements_per_second=1.0, rate_limit_elements_burst=1
    )
    runs = [a_buffered_run() for _ in range(100)]
    for run in runs:
        queue.put(run)
    queue.start(tasks)
    await settle()
    for run in runs[1:-2]:
        assert queue.remove(run.key)
    await clock.advance(2)
    assert launcher.launched == [runs[0], *runs[-2:]]


class RequestId(str):  # noqa: SLOT000 - with slots nobody could refer to it weakly
    """One of which can be told whether anybody still holds it."""


async def test_nothing_is_held_of_runs_that_were_taken_out_while_another_waits(
    launcher: RecordingLauncher, clock: ManualClock
) -> None:
    queue = a_queue(launcher, clock)
    queue.put(a_buffered_run())
    held = []
    for delayed in (False, True):
        run = a_buffered_run()
        key = RunKey(run.key.algorithm, RequestId(run.key.request_id))
        held.append(weakref.ref(key.request_id))
        queue.put(replace(run, key=key), delayed=delayed)
        assert queue.remove(key)
        del key
    assert [one() for one in held] == [None, None]
    assert len(queue) == 1


async def test_a_run_that_is_taken_out_at_the_last_moment_is_not_launched(
    launcher: RecordingLauncher, clock: ManualClock, tasks: BackgroundTasks
) -> None:
    queue = a_queue(
        launcher, clock, rate_limit_elements_per_second=1.0, rate_limit_elements_burst=1
    )
    queue.start(tasks)
    first, removed, later = (a_buffered_run() for _ in range(3))
    queue.put(first)
    queue.put(removed)
    await settle()
    assert queue.remove(removed.key)
    assert not queue.remove(removed.key)
    await clock.advance(10)
    queue.put(later)
    await clock.advance(1)
    assert launcher.launched == [first, later]


async def test_a_cluster_that_refuses_closes_its_own_lane_alone(
    launcher: RecordingLauncher, clock: ManualClock, tasks: BackgroundTasks
) -> None:
    queue = a_queue(launcher, clock, "away", "here", workers=5)
    launcher.errors["away"] = UnavailableError("not now", retry_after=60)
    away = [a_buffered_run(cluster="away") for _ in range(5)]
    here = [a_buffered_run(cluster="here") for _ in range(5)]
    for run in [*away, *here]:
        queue.put(run)
    queue.start(tasks)
    await settle()
    assert launcher.launched == here
    # The cluster was asked once, not by every worker.
    assert [run for run in launcher.begun if run.cluster == "away"] == away[:1]
    await clock.advance(59.9)
    assert launcher.begun.count(away[0]) == 1
    launcher.errors.clear()
    await clock.advance(0.1)
    # It may have taken what it did not answer to.
    assert launcher.launched == [*here, replace(away[0], doubtful=True), *away[1:]]


async def test_a_refusal_while_a_run_waits_for_the_rate_limit_holds_it_up(
    launcher: RecordingLauncher, clock: ManualClock, tasks: BackgroundTasks
) -> None:
    queue = a_queue(
        launcher, clock, rate_limit_elements_per_second=1.0, rate_limit_elements_burst=1
    )
    first, second = a_buffered_run(), a_buffered_run()
    launcher.errors["standalone"] = UnavailableError("not now", retry_after=30)
    queue.put(first)
    queue.put(second)
    queue.start(tasks)
    await settle()
    launcher.errors.clear()
    await clock.advance(29)
    assert launcher.launched == []
    await clock.advance(2)
    assert launcher.launched == [replace(first, doubtful=True), second]


async def test_a_launch_that_breaks_is_left_to_the_supervisor(
    launcher: RecordingLauncher, clock: ManualClock, tasks: BackgroundTasks
) -> None:
    registry = CollectorRegistry()
    queue = a_queue(launcher, clock, registry=registry, workers=1)
    launcher.errors["standalone"] = RuntimeError("a fault")
    queue.put(a_buffered_run())
    queue.start(tasks)
    await settle()
    launcher.errors.clear()
    other = a_buffered_run()
    queue.put(other)
    await settle()
    assert launcher.launched == [other]
    outcomes = ("error", "running")
    labels = [{"cluster": "standalone", "outcome": outcome} for outcome in outcomes]
    assert [
        registry.get_sample_value("nexus_scheduler_launches_total", label) for label in labels
    ] == [1, 1]


async def test_draining_lets_launches_end_and_begins_none(
    launcher: RecordingLauncher, clock: ManualClock, tasks: BackgroundTasks
) -> None:
    queue = a_queue(launcher, clock, "one", "two", workers=1)
    launcher.open_gate.clear()
    for cluster in ("one", "two") * 3:
        queue.put(a_buffered_run(cluster=cluster))
    queue.start(tasks)
    await settle()
    draining = asyncio.create_task(queue.drain(60))
    await settle()
    assert not draining.done()
    launcher.open_gate.set()
    await draining
    queue.put(a_buffered_run(cluster="one"))
    await settle()
    assert len(launcher.begun) == len(launcher.launched) == 2


async def test_draining_an_idle_or_waiting_queue_takes_no_time(
    launcher: RecordingLauncher, clock: ManualClock, tasks: BackgroundTasks
) -> None:
    queue = a_queue(
        launcher,
        clock,
        "one",
        "two",
        rate_limit_elements_per_second=1.0,
        rate_limit_elements_burst=1,
    )
    for _ in range(2):
        queue.put(a_buffered_run(cluster="one"))
    queue.start(tasks)
    await settle()
    await queue.drain(0)
    # The turn of the second one would come now.
    await clock.advance(1)
    assert len(launcher.begun) == 1


async def test_the_limit_counts_what_waits_and_what_is_on_its_way_in(
    launcher: RecordingLauncher, clock: ManualClock
) -> None:
    queue = a_queue(launcher, clock, "one", "two", queue_limit=3)
    queue.put(a_buffered_run(cluster="one"))
    queue.put(a_buffered_run(cluster="two"))
    with queue.places:
        assert queue.free == 0
        with pytest.raises(OverloadedError) as refused, queue.places:
            pass
        assert refused.value.retry_after
    assert queue.free == 1
    with pytest.raises(RuntimeError), queue.places:
        raise RuntimeError
    assert queue.free == 1


# Outages.


async def test_a_queue_whose_cluster_is_away_waits_and_begins_slowly(
    launcher: RecordingLauncher, clock: ManualClock, tasks: BackgroundTasks
) -> None:
    circuit = Circuit("cluster standalone", clock)
    queue = a_queue(launcher, clock, circuits=[circuit], rate_limit_elements_per_second=10.0)
    away: Exception | None = UnavailableError("no route to host")

    async def ping() -> None:
        if away:
            raise away

    tasks.start("ask", circuit.keep_asking(ping))
    await settle()
    for _ in range(200):
        queue.put(a_buffered_run())
    queue.start(tasks)
    await clock.advance(3600)
    assert launcher.begun == []
    (lane,) = queue._lanes.values()
    sample = lane.sample("scheduler-0")
    assert (sample.state, sample.reason) == (LaneState.REFUSED, "no route to host")

    away = None
    while not circuit.is_closed:
        await clock.advance(0.1)
    await clock.advance(2)
    assert 1 <= len(launcher.launched) <= 5
    await clock.advance(60)
    assert len(launcher.launched) == 200


async def test_what_comes_back_from_a_cluster_that_was_just_found_away_slows_nothing_down(
    launcher: RecordingLauncher, clock: ManualClock, tasks: BackgroundTasks
) -> None:
    circuit = Circuit("cluster standalone", clock)

    async def launch(_: BufferedRun) -> Launched:
        with circuit.call():
            raise UnavailableError("no route to host")

    queue = a_queue(meddled(launcher, launch=launch), clock, circuits=[circuit], workers=1)
    (lane,) = queue._lanes.values()
    rate = lane.launch_rate()
    queue.put(a_buffered_run())
    queue.start(tasks)
    await settle()

    assert not circuit.is_closed
    assert (lane.launch_rate(), len(queue)) == (rate, 1)


async def test_a_sample_says_how_a_lane_stands(
    launcher: RecordingLauncher, clock: ManualClock, tasks: BackgroundTasks
) -> None:
    queue = a_queue(
        launcher, clock, rate_limit_elements_per_second=10.0, rate_limit_elements_burst=1
    )
    (lane,) = queue._lanes.values()
    idle = lane.sample("scheduler-0")
    assert (idle.state, idle.depth, idle.oldest_received_at) == (LaneState.OPEN, 0, None)

    runs = [a_buffered_run(made_at=LONG_AGO + timedelta(seconds=n)) for n in range(3)]
    for run in runs:
        queue.put(run)
    queue.remove(runs[0].key)
    launcher.errors["standalone"] = NotNowError("exceeded quota", retry_after=60)
    queue.start(tasks)
    await settle()

    assert lane.sample("scheduler-0") == LaneSample(
        owner="scheduler-0",
        cluster="standalone",
        at=clock.now(),
        state=LaneState.REFUSED,
        depth=2,
        rate=5,
        oldest_received_at=runs[1].made_at,
        reason="exceeded quota",
    )


async def test_a_lane_tells_for_how_long_its_first_run_has_waited(
    launcher: RecordingLauncher, clock: ManualClock
) -> None:
    queue = a_queue(launcher, clock)
    (lane,) = queue._lanes.values()
    assert lane.oldest_wait() == 0

    first, second = (a_buffered_run(made_at=clock.now() - timedelta(seconds=n)) for n in (90, 60))
    queue.put(first)
    queue.put(second)
    await clock.advance(5)
    assert lane.oldest_wait() == 95

    queue.remove(first.key)
    assert lane.oldest_wait() == 65


async def test_a_lane_is_refused_until_a_launch_succeeds_again(
    launcher: RecordingLauncher, clock: ManualClock, tasks: BackgroundTasks
) -> None:
    queue = a_queue(launcher, clock, workers=1)
    (lane,) = queue.lanes
    queue.put(a_buffered_run())
    launcher.errors["standalone"] = NotNowError("exceeded quota", retry_after=2)
    queue.start(tasks)
    await settle()
    launcher.errors.clear()
    launcher.open_gate.clear()
    await clock.advance(10)

    assert lane.sample("scheduler-0").state is LaneState.REFUSED
    launcher.open_gate.set()
    await settle()
    assert lane.sample("scheduler-0").state is LaneState.OPEN
