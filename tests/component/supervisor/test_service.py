"""The whole supervisor: on its timer, beside its scheduler, and as operators see it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from nexus_core import __version__
from nexus_core.domain.checkpoint import Lease
from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.names import RunKey
from nexus_core.domain.observation import JobPhase
from nexus_core.domain.stages import Stage
from nexus_core.settings.values import Duration
from nexus_supervisor.settings import Sweep
from support.calls import Client
from support.clock import ManualClock
from support.receiver_client import ReceiverClient, metric
from support.services import World
from support.stored_runs import store_run
from support.trouble import Trouble
from support.waiting import until

INTERVAL = 10.0
PATIENCE = 10.0
WORKERS = 10


@pytest.fixture
async def supervisor(world: World) -> AsyncIterator[Client]:
    """A supervisor that has swept once, and deletes Jobs however young they are."""
    async with world.supervisor(sweep=Sweep(job_kept_for=Duration(0))) as url:
        client = Client(world.session, url)
        await swept(client, 1)
        yield client


async def swept(supervisor: Client, times: float) -> None:
    async with asyncio.timeout(PATIENCE):
        while await sweeps(supervisor) < times:
            pass


async def sweeps(supervisor: Client) -> float:
    return await metric(supervisor, "nexus_supervisor_sweep_duration_seconds_count")


async def sweep_again(supervisor: Client, clock: ManualClock) -> None:
    """Let the next sweep be due, and wait for its end."""
    before = await sweeps(supervisor)
    await clock.advance(INTERVAL)
    await swept(supervisor, before + 1)


async def test_a_supervisor_sweeps_at_once_and_then_on_its_timer(
    world: World, supervisor: Client, clock: ManualClock
) -> None:
    key = await store_run(world, Stage.RUNNING)
    world.cluster.lose(key)
    for _ in range(5):
        await sweep_again(supervisor, clock)
    assert await world.stage(key) is Stage.RUNNING

    await sweep_again(supervisor, clock)

    assert await world.stage(key) is Stage.FAILED
    assert await sweeps(supervisor) == 7
    last = await metric(supervisor, "nexus_supervisor_last_sweep_timestamp_seconds")
    assert last == clock.now().timestamp()


@pytest.mark.parametrize("method", ["expired", "open_runs", "buffered_by"])
async def test_a_sweep_that_broke_off_is_not_told_as_one_and_the_next_one_is_made(
    world: World, supervisor: Client, clock: ManualClock, trouble: Trouble, method: str
) -> None:
    expired = Lease(owner="dead", callback_url="http://127.0.0.1:9", expires_at=clock.now())
    await world.stores.leases.renew(expired)
    before = await metric(supervisor, "nexus_supervisor_last_sweep_timestamp_seconds")
    trouble.breaks(method)
    await clock.advance(INTERVAL)
    # It sleeps again: the sweep is over. So do who asks for the cluster, the lease, and removal.
    await until(lambda: clock.sleepers == 4)
    assert await sweeps(supervisor) == 1
    after = await metric(supervisor, "nexus_supervisor_last_sweep_timestamp_seconds")
    assert after == before

    trouble.is_over()
    await sweep_again(supervisor, clock)


async def test_a_sweep_of_a_cluster_that_is_away_breaks_off(
    world: World, supervisor: Client, clock: ManualClock
) -> None:
    world.cluster.refusal = UnavailableError("no route to the cluster")
    await clock.advance(INTERVAL)
    await until(lambda: clock.sleepers == 4)
    assert await sweeps(supervisor) == 1

    world.cluster.refusal = None
    await sweep_again(supervisor, clock)


# Beside a scheduler.


async def launches(scheduler: Client, outcome: str) -> float:
    return await metric(scheduler, "nexus_scheduler_launches_total", outcome=outcome)


async def test_a_scheduler_and_a_supervisor_that_start_a_run_at_once_make_one_job(
    world: World, clock: ManualClock, trouble: Trouble
) -> None:
    world.cluster.open_gate.clear()
    async with world.scheduler() as scheduler, world.supervisor():
        keys = [await world.run(scheduler) for _ in range(20)]
        # They grow late against the store, while all workers of the scheduler are at some of them.
        async with asyncio.timeout(PATIENCE):
            while world.cluster.waiting <= WORKERS:
                await clock.advance(INTERVAL)
        world.cluster.open_gate.set()
        for key in keys:
            await world.reaches(key, Stage.RUNNING)

    assert set(world.cluster.creations.values()) == {1}
    started = [
        call.arguments[0]
        for call in trouble.answers("advance")
        if call.answer.applied and call.answer.stage is Stage.RUNNING
    ]
    assert sorted(started) == sorted(keys)


async def test_what_a_scheduler_had_queued_is_started_at_once_when_it_stops(
    world: World, supervisor: Client, clock: ManualClock
) -> None:
    world.cluster.creation_refusal = UnavailableError("too many requests")
    async with world.scheduler() as scheduler:
        keys = [await world.run(scheduler) for _ in range(5)]
    world.cluster.creation_refusal = None

    await sweep_again(supervisor, clock)

    assert {await world.stage(key) for key in keys} == {Stage.RUNNING}
    assert set(world.cluster.creations.values()) == {1}
    assert await metric(supervisor, "nexus_supervisor_submitted_runs_total") == 5


async def test_a_slow_queue_does_not_start_a_run_again_that_is_done(
    world: World, clock: ManualClock
) -> None:
    async with world.scheduler() as scheduler, world.receiver() as receiver:
        world.cluster.creation_refusal = UnavailableError("too many requests")
        key = await world.run(scheduler)
        await until(lambda: world.cluster.refused)
        # A supervisor started it meanwhile; it ended, and its Job is gone. The queue knows nothing.
        await ReceiverClient(world.session, receiver).complete(key, resultUri="uri")
        await clock.advance(60)
        world.cluster.creation_refusal = None

        async with asyncio.timeout(PATIENCE):
            while await launches(Client(world.session, scheduler), "finished_before") == 0:
                await clock.advance(1)

    assert not world.cluster.creations
    assert await world.stage(key) is Stage.COMPLETED


async def test_completions_race_the_events_of_their_runs_and_one_wins(
    world: World, supervisor: Client, trouble: Trouble
) -> None:
    keys = [await store_run(world, Stage.RUNNING) for _ in range(64)]
    await until(lambda: world.cluster.followers)
    async with world.receiver() as url:
        receiver = ReceiverClient(world.session, url)

        async def complete_and_tell(key: RunKey) -> None:
            completion = asyncio.create_task(receiver.complete(key, resultUri="uri"))
            world.cluster.fail(key, "DeadlineExceeded", message="too long")
            await completion

        await asyncio.gather(*map(complete_and_tell, keys))
    # Whoever won, the verdict's Job is deleted once it was heeded.
    await until(lambda: not world.cluster.living)

    finished = Counter(c.arguments[0] for c in trouble.answers("advance") if c.answer.applied)
    assert finished == dict.fromkeys(keys, 2)
    for key in keys:
        run = await world.stores.store.find(key)
        assert run is not None
        told = (run.lifecycle_stage, run.result_uri, run.algorithm_failure_details)
        assert told in {
            (Stage.COMPLETED, "uri", ""),
            (Stage.DEADLINE_EXCEEDED, "", "too long"),
        }
    settled = await metric(supervisor, "nexus_supervisor_settled_runs_total")
    stages = [await world.stage(key) for key in keys]
    assert settled == stages.count(Stage.DEADLINE_EXCEEDED)


# What operators see.


async def test_readiness_names_each_part(supervisor: Client) -> None:
    reply = await supervisor.get("/readyz")

    assert reply.json() == {
        "ready": True,
        "version": __version__,
        "parts": {
            "checkpoint-store": {"ready": True},
            "payload-store": {"ready": True, "required": False},
            "cluster standalone": {"ready": True, "required": False},
        },
    }


async def test_a_supervisor_whose_cluster_is_away_says_so_and_stays_ready(
    world: World, supervisor: Client, clock: ManualClock
) -> None:
    world.cluster.refusal = UnavailableError("no route to the cluster")
    await clock.advance(INTERVAL)

    reply = await supervisor.get("/readyz")

    assert reply.status == 200
    part = reply.json()["parts"]["cluster standalone"]
    assert (part["ready"], part["reason"]) == (False, "no route to the cluster")
    assert part["since"] < part["next_try"]
    assert await metric(supervisor, "nexus_supervisor_circuit_open") == 1


async def test_what_a_supervisor_did_is_counted_by_cluster(
    world: World, supervisor: Client, clock: ManualClock
) -> None:
    told = await store_run(world, Stage.RUNNING)
    await until(lambda: world.cluster.followers)
    world.cluster.fail(told, "DeadlineExceeded")
    await world.reaches(told, Stage.DEADLINE_EXCEEDED)
    failed = await store_run(world, Stage.RUNNING)
    world.cluster.become(failed, phase=JobPhase.FAILED, reason="PodFailurePolicy")
    late = await store_run(world)
    straggler = await store_run(world, Stage.RUNNING)
    async with world.receiver() as url:
        await ReceiverClient(world.session, url).complete(straggler)
    for _ in range(8):
        await sweep_again(supervisor, clock)
    assert await world.stage(late) is Stage.RUNNING

    async def count(name: str, **labels: str) -> float:
        return await metric(supervisor, f"nexus_supervisor_{name}", cluster="standalone", **labels)

    assert await count("observations_total", kind="Job", reason="DeadlineExceeded") == 1
    assert await count("settled_runs_total", stage="DEADLINE_EXCEEDED") == 1
    assert await count("settled_runs_total", stage="FAILED") == 1
    assert await count("submitted_runs_total") == 1
    assert await count("removed_jobs_total") == 1


async def test_a_supervisor_stops_in_the_middle_of_a_sweep(
    world: World, clock: ManualClock, trouble: Trouble
) -> None:
    key = await store_run(world)
    await clock.advance(70)
    gate = trouble.holds_up(key)

    async with asyncio.timeout(PATIENCE), world.supervisor():
        await until(lambda: key in trouble.waiting)
    gate.set()

    assert await world.stage(key) is Stage.BUFFERED
