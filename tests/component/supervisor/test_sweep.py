"""What no event told is found by a sweep, with the thresholds that operators get by default."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from nexus_core.aio.tasks import BackgroundTasks
from nexus_core.domain import observation
from nexus_core.domain.checkpoint import BufferedJob, Checkpoint, Lease
from nexus_core.domain.errors import JobRejectedError, UnavailableError
from nexus_core.domain.journal import RunEvent, RunEventKind
from nexus_core.domain.names import RunKey
from nexus_core.domain.observation import JobPhase, JobStatus
from nexus_core.domain.stages import FINISHED_STAGES, Stage, StageChange
from nexus_core.domain.template import PayloadConfiguration
from nexus_core.settings.payloads import BufferConfig
from nexus_supervisor.settings import Sweep
from support.clock import ManualClock
from support.meddling import meddled
from support.observations import a_pod_status
from support.runs import a_checkpoint, a_template_spec
from support.services import World
from support.stored_runs import a_real_job, store_run
from support.sweeping import Told, a_sweeper
from support.trouble import Trouble
from support.waiting import until

MINUTE = 60.0
_DELETE_JOB = """
DELETE FROM submission_buffer WHERE run = (SELECT run FROM checkpoints WHERE id = ?)
"""


async def recorded(world: World, key: RunKey) -> Checkpoint:
    checkpoint = await world.stores.store.find(key)
    assert checkpoint is not None
    return checkpoint


async def lives(world: World, owner: str, seconds: float = 30) -> None:
    expires_at = world.clock.now() + timedelta(seconds=seconds)
    lease = Lease(owner=owner, callback_url="http://127.0.0.1:9", expires_at=expires_at)
    await world.stores.leases.renew(lease)


# Runs that nobody started.


async def test_a_late_run_is_submitted_once(world: World, clock: ManualClock) -> None:
    key = await store_run(world)
    sweeper = a_sweeper(world)

    await clock.advance(MINUTE - 1)
    await sweeper.sweep()
    assert world.cluster.creations[key] == 0

    await clock.advance(2)
    await sweeper.sweep()
    await sweeper.sweep()

    run = await recorded(world, key)
    assert run.lifecycle_stage is Stage.RUNNING
    assert run.sent_at == clock.now()
    assert run.job_uid
    assert world.cluster.creations[key] == 1


async def test_a_job_that_the_sweep_made_stays_for_whoever_is_about_to_make_it(
    world: World, clock: ManualClock
) -> None:
    key = await store_run(world)
    queued = await world.stores.store.find_job(key)
    assert queued is not None
    sweeper = a_sweeper(world)
    await clock.advance(2 * MINUTE)
    await sweeper.sweep()

    world.cluster.become(key, phase=JobPhase.FAILED, reason="PodFailurePolicy", exit_code=17)
    await sweeper.sweep()
    assert await world.stage(key) is Stage.FAILED

    await world.cluster.create_job(key, queued.manifest)
    assert world.cluster.creations[key] == 1


async def test_late_runs_spare_the_cluster_as_the_queue_does(
    world: World, clock: ManualClock
) -> None:
    for _ in range(5):
        await store_run(world)
    await clock.advance(2 * MINUTE)
    config = BufferConfig(rate_limit_elements_per_second=1, rate_limit_elements_burst=2)

    sweep = asyncio.create_task(a_sweeper(world, config=config).sweep())
    await until(lambda: world.cluster.creations.total() == 2)
    assert clock.sleepers
    await clock.advance(1)
    await until(lambda: world.cluster.creations.total() == 3)
    await clock.advance(2)
    await sweep
    assert world.cluster.creations.total() == 5


async def test_a_cluster_that_refuses_is_not_asked_for_every_late_run(
    world: World, clock: ManualClock
) -> None:
    for _ in range(5):
        await store_run(world)
    await clock.advance(2 * MINUTE)
    sweeper = a_sweeper(world, Sweep(parallel=1))
    world.cluster.creation_refusal = UnavailableError("not now", retry_after=30)

    await sweeper.sweep()
    assert world.cluster.refused == 1

    world.cluster.creation_refusal = None
    await sweeper.sweep()
    assert not world.cluster.creations

    await clock.advance(30)
    await sweeper.sweep()
    assert world.cluster.creations.total() == 5


async def test_the_runs_of_a_scheduler_that_stopped_are_submitted_at_once(world: World) -> None:
    await lives(world, "scheduler-0")
    key = await store_run(world, received_by_host="scheduler-0")
    await world.stores.leases.release("scheduler-0", world.clock.now())

    await a_sweeper(world).sweep()

    assert await world.stage(key) is Stage.RUNNING


async def test_the_runs_of_a_scheduler_that_died_are_submitted_when_its_lease_expires(
    world: World, clock: ManualClock
) -> None:
    await lives(world, "scheduler-0", seconds=30)
    key = await store_run(world, received_by_host="scheduler-0")
    sweeper = a_sweeper(world)

    await clock.advance(29)
    await sweeper.sweep()
    assert await world.stage(key) is Stage.BUFFERED

    await clock.advance(2)
    await sweeper.sweep()
    assert await world.stage(key) is Stage.RUNNING


async def test_the_young_runs_of_a_living_scheduler_are_left_to_it(world: World) -> None:
    await lives(world, "scheduler-0")
    await lives(world, "scheduler-1", seconds=0)
    key = await store_run(world, received_by_host="scheduler-0")

    await a_sweeper(world).sweep()

    assert await world.stage(key) is Stage.BUFFERED
    assert not world.cluster.creations


async def test_runs_of_another_cluster_are_left_to_its_own_supervisor(
    world: World, clock: ManualClock
) -> None:
    await lives(world, "scheduler-0", seconds=0)
    now = world.clock.now()
    elsewhere = a_checkpoint(received_at=now, last_modified=now)
    await world.stores.store.accept(elsewhere, a_real_job(elsewhere, "shard-7"))
    await clock.advance(MINUTE + 1)

    await a_sweeper(world).sweep()

    assert await world.stage(elsewhere.key) is Stage.BUFFERED


async def test_more_late_runs_than_a_page_are_all_submitted(
    world: World, clock: ManualClock
) -> None:
    # Stored together, since the store writes together what comes together.
    abandoned, late = [
        await asyncio.gather(*(store_run(world, received_by_host=host) for _ in range(501)))
        for host in ("dead", "living")
    ]
    await lives(world, "dead", seconds=0)
    sweeper = a_sweeper(world, config=BufferConfig(rate_limit_elements_burst=5_000))

    await sweeper.sweep()
    assert set(world.cluster.creations) == set(abandoned)

    await clock.advance(MINUTE + 1)
    await sweeper.sweep()
    assert set(world.cluster.creations) == set(abandoned + late)
    assert set(world.cluster.creations.values()) == {1}


async def test_a_run_whose_cluster_refuses_its_job_for_good_is_settled(
    world: World, clock: ManualClock
) -> None:
    key = await store_run(world)
    await clock.advance(MINUTE + 1)
    world.cluster.creation_refusal = JobRejectedError("spec.template: Invalid value")

    await a_sweeper(world).sweep()

    run = await recorded(world, key)
    assert run.lifecycle_stage is Stage.SCHEDULING_FAILED
    assert run.algorithm_failure_cause == "Cluster 'standalone' refused the Job of this run."
    assert run.algorithm_failure_details == "spec.template: Invalid value"


async def test_a_run_that_can_never_be_started_is_settled_and_holds_up_no_other(
    world: World, clock: ManualClock
) -> None:
    now = world.clock.now()
    old = now - timedelta(days=2)
    no_job = a_checkpoint(received_at=old, last_modified=now)
    await world.stores.store.accept(no_job, BufferedJob("standalone", b"{}"))
    bad_duration = a_checkpoint(
        received_at=old,
        last_modified=now,
        applied_configuration=a_template_spec(
            payload_configuration=PayloadConfiguration(payload_valid_for="a while")
        ),
    )
    await world.stores.store.accept(bad_duration, a_real_job(bad_duration))
    sound = await store_run(world)
    await clock.advance(MINUTE + 1)

    await a_sweeper(world).sweep()

    for key in (no_job.key, bad_duration.key):
        run = await recorded(world, key)
        assert run.lifecycle_stage is Stage.SCHEDULING_FAILED
        assert run.algorithm_failure_cause
        assert run.algorithm_failure_details
    assert await world.stage(sound) is Stage.RUNNING


async def test_a_late_run_whose_job_is_not_stored_any_more_is_settled(
    world: World, clock: ManualClock
) -> None:
    key = await a_run_without_a_stored_job(world)
    sweeper = a_sweeper(world)

    await clock.advance(MINUTE + 1)
    await sweeper.sweep()

    run = await recorded(world, key)
    assert run.lifecycle_stage is Stage.SCHEDULING_FAILED
    assert run.algorithm_failure_cause == (
        "The Job of the run is not stored any more: please send the request again."
    )


async def test_a_young_run_whose_job_is_not_seen_yet_is_waited_for(world: World) -> None:
    await lives(world, "dead", seconds=0)
    key = await a_run_without_a_stored_job(world, received_by_host="dead")

    await a_sweeper(world).sweep()

    assert await world.stage(key) is Stage.BUFFERED


async def a_run_without_a_stored_job(world: World, **changes: str) -> RunKey:
    """Store a run whose Job was kept for less long than it waited."""
    now = world.clock.now()
    run = a_checkpoint(received_at=now, last_modified=now, **changes)
    await world.stores.store.accept(run, a_real_job(run))
    with closing(sqlite3.connect(world.folder / "checkpoints.sqlite")) as database:
        database.execute(_DELETE_JOB, (run.id,))
        database.commit()
    return run.key


async def test_a_run_that_was_never_accepted_is_given_up(world: World, clock: ManualClock) -> None:
    key = await store_run(world, Stage.NEW)
    sweeper = a_sweeper(world)

    await clock.advance(10 * MINUTE - 1)
    await sweeper.sweep()
    assert await world.stage(key) is Stage.NEW

    await clock.advance(2)
    await sweeper.sweep()
    run = await recorded(world, key)
    assert run.lifecycle_stage is Stage.SCHEDULING_FAILED
    assert "payload" in run.algorithm_failure_cause


# Runs that have a Job, or should have.


async def test_a_run_whose_start_was_not_recorded_is_running(
    world: World, clock: ManualClock
) -> None:
    key = await store_run(world)
    handle = await world.cluster.create_job(key, a_real_job(await recorded(world, key)).manifest)
    created_at = clock.now()
    await clock.advance(MINUTE + 1)

    await a_sweeper(world).sweep()

    run = await recorded(world, key)
    assert run.lifecycle_stage is Stage.RUNNING
    assert (run.job_uid, run.sent_at) == (handle.uid, created_at)
    assert world.cluster.creations[key] == 1


async def test_a_run_whose_job_is_gone_has_failed_after_a_grace(
    world: World, clock: ManualClock
) -> None:
    key = await store_run(world, Stage.RUNNING)
    world.cluster.lose(key)
    told = Told()
    sweeper = a_sweeper(world, told=told)

    await clock.advance(MINUTE - 1)
    await sweeper.sweep()
    assert await world.stage(key) is Stage.RUNNING

    await clock.advance(2)
    await sweeper.sweep()
    await sweeper.sweep()
    run = await recorded(world, key)
    assert run.lifecycle_stage is Stage.FAILED
    assert "gone" in run.algorithm_failure_cause
    assert told.runs == [key]


async def test_a_run_whose_job_is_younger_than_the_list_of_jobs_has_one_whatever_the_clocks_say(
    world: World, clock: ManualClock
) -> None:
    key = await store_run(world, Stage.RUNNING)
    await clock.advance(2 * MINUTE)
    sweeper = a_sweeper(replace(world, cluster=meddled(world.cluster, jobs=_no_jobs)))

    await sweeper.sweep()

    assert await world.stage(key) is Stage.RUNNING


async def _no_jobs() -> AsyncIterator[JobStatus]:
    none: tuple[JobStatus, ...] = ()
    for job in none:
        yield job


async def test_of_a_job_that_went_unseen_the_journal_says_how_it_ended(
    world: World, clock: ManualClock
) -> None:
    key = await store_run(world, Stage.RUNNING)
    world.cluster.lose(key)
    ended = RunEvent(
        key=key,
        at=clock.now(),
        kind=RunEventKind.JOB_ENDED,
        reason="DeadlineExceeded",
        message="Job was active longer than specified deadline",
    )
    await world.stores.journal.record([ended])
    await clock.advance(MINUTE + 1)

    await a_sweeper(world).sweep()

    run = await recorded(world, key)
    assert run.lifecycle_stage is Stage.DEADLINE_EXCEEDED
    assert run.algorithm_failure_details == "Job was active longer than specified deadline"


async def test_a_job_that_somebody_is_deleting_is_given_up_after_a_grace(
    world: World, clock: ManualClock
) -> None:
    key = await store_run(world, Stage.RUNNING)
    await clock.advance(10 * MINUTE)
    world.cluster.become(key, started=True, deleted_at=clock.now())
    sweeper = a_sweeper(world)

    await clock.advance(MINUTE - 1)
    await sweeper.sweep()
    assert await world.stage(key) is Stage.RUNNING

    await clock.advance(2)
    await sweeper.sweep()
    run = await recorded(world, key)
    assert run.lifecycle_stage is Stage.FAILED
    assert "gone" in run.algorithm_failure_cause
    assert run.algorithm_failure_details.startswith("Deleted at ")


async def test_a_run_whose_job_was_deleted_before_its_start_was_recorded_gets_no_second_one(
    world: World, clock: ManualClock
) -> None:
    key = await store_run(world)
    await world.cluster.create_job(key, a_real_job(await recorded(world, key)).manifest)
    sweeper = a_sweeper(world)
    await clock.advance(MINUTE + 1)
    world.cluster.become(key, deleted_at=clock.now())
    await sweeper.sweep()
    world.cluster.lose(key)

    await clock.advance(MINUTE + 1)
    await sweeper.sweep()

    assert world.cluster.creations[key] == 1
    assert await world.stage(key) is Stage.FAILED


async def test_an_image_that_can_not_be_pulled_is_given_up_after_some_tries(
    world: World, clock: ManualClock
) -> None:
    key = await store_run(world, Stage.RUNNING)
    await clock.advance(10 * MINUTE)
    trouble = observation.Trouble(reason="ErrImagePull", message="not found")
    world.cluster.become(key, pods=(a_pod_status(waiting=trouble),))
    sweeper = a_sweeper(world)

    await sweeper.sweep()
    await clock.advance(44)
    await sweeper.sweep()
    assert await world.stage(key) is Stage.RUNNING

    await clock.advance(2)
    await sweeper.sweep()
    run = await recorded(world, key)
    assert run.lifecycle_stage is Stage.SCHEDULING_FAILED
    assert run.algorithm_failure_details == "not found"
    assert key not in world.cluster.living


async def test_after_a_restart_a_supervisor_is_only_more_patient(
    world: World, clock: ManualClock
) -> None:
    key = await store_run(world, Stage.RUNNING)
    trouble = observation.Trouble(reason="ErrImagePull")
    world.cluster.become(key, pods=(a_pod_status(waiting=trouble),))
    await clock.advance(MINUTE)
    await a_sweeper(world).sweep()
    await clock.advance(44)

    again = a_sweeper(world)
    await again.sweep()
    assert await world.stage(key) is Stage.RUNNING

    await clock.advance(46)
    await again.sweep()
    assert await world.stage(key) is Stage.SCHEDULING_FAILED


@pytest.mark.parametrize("stage", [Stage.BUFFERED, Stage.RUNNING])
async def test_a_suspended_job_is_left_alone_however_long(
    world: World, clock: ManualClock, stage: Stage
) -> None:
    key = await store_run(world, stage)
    if stage is Stage.BUFFERED:
        await world.cluster.create_job(key, a_real_job(await recorded(world, key)).manifest)
    suspended = observation.Trouble(reason="JobSuspended", since=clock.now())
    world.cluster.become(key, suspended=suspended, attended_at=clock.now())
    await clock.advance(1000 * MINUTE)

    await a_sweeper(world).sweep()

    assert await world.stage(key) is Stage.RUNNING
    assert world.cluster.creations[key] == 1
    assert not world.cluster.deletions


async def test_a_job_that_succeeded_without_a_completion_has_failed_after_a_grace(
    world: World, clock: ManualClock
) -> None:
    key = await store_run(world, Stage.RUNNING)
    await clock.advance(10 * MINUTE)
    world.cluster.become(key, phase=JobPhase.SUCCEEDED, started=True, finished_at=clock.now())
    sweeper = a_sweeper(world)

    await clock.advance(MINUTE - 1)
    await sweeper.sweep()
    assert await world.stage(key) is Stage.RUNNING

    await clock.advance(2)
    await sweeper.sweep()
    run = await recorded(world, key)
    assert run.lifecycle_stage is Stage.FAILED
    assert run.algorithm_failure_cause == "The algorithm ended without reporting a result."


@pytest.mark.parametrize(
    ("reason", "stage"),
    [
        ("DeadlineExceeded", Stage.DEADLINE_EXCEEDED),
        ("BackoffLimitExceeded", Stage.DEADLINE_EXCEEDED),
        ("PodFailurePolicy", Stage.FAILED),
        ("", Stage.FAILED),
    ],
)
@pytest.mark.parametrize("recorded_start", [True, False])
async def test_a_failed_job_whose_event_was_lost_settles_its_run_and_is_deleted(
    world: World, clock: ManualClock, reason: str, stage: Stage, *, recorded_start: bool
) -> None:
    key = await store_run(world, Stage.RUNNING if recorded_start else Stage.BUFFERED)
    if not recorded_start:
        await world.cluster.create_job(key, a_real_job(await recorded(world, key)).manifest)
    world.cluster.become(key, phase=JobPhase.FAILED, reason=reason, message="the cluster's words")
    await clock.advance(MINUTE + 1)

    await a_sweeper(world).sweep()

    run = await recorded(world, key)
    assert run.lifecycle_stage is stage
    assert run.algorithm_failure_details == "the cluster's words"
    assert key not in world.cluster.living


async def test_a_run_that_ran_out_of_memory_unheard_is_told_its_limit(
    world: World, clock: ManualClock
) -> None:
    key = await store_run(world, Stage.RUNNING)
    world.cluster.become(key, phase=JobPhase.FAILED, termination_reason="OOMKilled")
    await clock.advance(MINUTE + 1)

    await a_sweeper(world).sweep()

    cause = (await recorded(world, key)).algorithm_failure_cause
    assert cause == "The run's Job failed: it ran out of memory (limit 128Mi)."


async def test_a_run_that_goes_on_is_left_alone_however_long_it_takes(
    world: World, clock: ManualClock, trouble: Trouble
) -> None:
    await store_run(world, Stage.RUNNING)
    await clock.advance(1000 * MINUTE)
    trouble.calls.clear()

    await a_sweeper(world).sweep()

    assert not trouble.answers("advance")
    assert not world.cluster.deletions


# Jobs whose run has finished.


@pytest.mark.parametrize("stage", sorted(FINISHED_STAGES))
async def test_a_job_that_goes_on_after_its_run_is_deleted_after_a_grace(
    world: World, clock: ManualClock, stage: Stage
) -> None:
    key = await store_run(world, Stage.RUNNING)
    await clock.advance(10 * MINUTE)
    await world.stores.store.advance(key, StageChange(to=stage, at=clock.now()))
    sweeper = a_sweeper(world)

    await clock.advance(MINUTE - 1)
    await sweeper.sweep()
    assert key in world.cluster.living

    await clock.advance(2)
    await sweeper.sweep()
    assert key not in world.cluster.living
    assert await world.stage(key) is stage


@pytest.mark.parametrize("phase", [JobPhase.SUCCEEDED, JobPhase.FAILED])
async def test_a_job_that_has_ended_is_left_for_people_to_look_at(
    world: World, clock: ManualClock, phase: JobPhase
) -> None:
    key = await store_run(world, Stage.RUNNING)
    await world.stores.store.advance(key, StageChange(to=Stage.COMPLETED, at=clock.now()))
    world.cluster.become(key, phase=phase, finished_at=clock.now())
    await clock.advance(100 * MINUTE)

    await a_sweeper(world).sweep()

    assert key in world.cluster.living


async def test_a_job_of_no_known_run_is_left_alone(world: World, clock: ManualClock) -> None:
    stranger = a_checkpoint()
    await world.cluster.create_job(stranger.key, a_real_job(stranger).manifest)
    await clock.advance(100 * MINUTE)

    await a_sweeper(world).sweep()

    assert stranger.key in world.cluster.living


# Parts that are away.


async def test_a_run_whose_cluster_refuses_for_now_is_left_to_the_next_sweep(
    world: World, clock: ManualClock
) -> None:
    key = await store_run(world)
    await clock.advance(MINUTE + 1)
    sweeper = a_sweeper(world)

    world.cluster.creation_refusal = UnavailableError("too many requests", retry_after=5)
    await sweeper.sweep()
    assert await world.stage(key) is Stage.BUFFERED

    world.cluster.creation_refusal = None
    await clock.advance(5)
    await sweeper.sweep()
    assert await world.stage(key) is Stage.RUNNING


@pytest.mark.parametrize("method", ["expired", "open_runs", "buffered_by"])
async def test_a_sweep_that_cannot_read_says_so_and_the_next_one_goes_on(
    world: World, clock: ManualClock, trouble: Trouble, method: str
) -> None:
    await lives(world, "scheduler-0", seconds=0)
    keys = [await store_run(world, received_by_host=f"scheduler-{n % 2}") for n in range(20)]
    await clock.advance(MINUTE + 1)
    # One at a time: if a place were lost to each sweep that breaks off, none would be left.
    sweeper = a_sweeper(world, Sweep(parallel=1))

    trouble.breaks(method)
    for _ in range(3):
        with pytest.raises(UnavailableError):
            await sweeper.sweep()
    trouble.is_over()
    await sweeper.sweep()

    assert {await world.stage(key) for key in keys} == {Stage.RUNNING}
    assert set(world.cluster.creations.values()) == {1}


@pytest.mark.parametrize("method", ["find", "find_job", "advance"])
async def test_runs_that_the_store_fails_are_left_to_the_next_sweep(
    world: World, clock: ManualClock, trouble: Trouble, method: str
) -> None:
    late = await store_run(world)
    gone = await store_run(world, Stage.RUNNING)
    world.cluster.lose(gone)
    await clock.advance(MINUTE + 1)
    sweeper = a_sweeper(world)

    trouble.breaks(method)
    await sweeper.sweep()
    trouble.is_over()
    await sweeper.sweep()

    assert await world.stage(late) is Stage.RUNNING
    assert await world.stage(gone) is Stage.FAILED
    assert world.cluster.creations[late] == 1


async def test_an_error_that_nobody_foresaw_holds_up_no_other_run(
    world: World, clock: ManualClock, trouble: Trouble
) -> None:
    gone = await store_run(world, Stage.RUNNING)
    world.cluster.lose(gone)
    await store_run(world)
    await clock.advance(MINUTE + 1)

    trouble.breaks("find_job", error=RuntimeError("a bug"))
    await a_sweeper(world).sweep()

    assert await world.stage(gone) is Stage.FAILED


async def test_those_whose_cluster_is_away_do_not_sweep_again_together(
    world: World, clock: ManualClock
) -> None:
    cluster, asked_at = world.cluster, list[list[float]]([[], []])
    async with BackgroundTasks() as tasks:
        for times in asked_at:

            def jobs(times: list[float] = times) -> AsyncIterator[JobStatus]:
                times.append(clock.monotonic())
                raise UnavailableError("the cluster is away")

            world.cluster = meddled(cluster, jobs=jobs)
            tasks.start("sweep", a_sweeper(world).sweep_for_ever())
        await clock.advance(MINUTE)
    one, other = asked_at
    assert one[0] == other[0] == 0
    assert not set(one[1:]) & set(other[1:])
    assert all(5 <= later - earlier <= 10 for earlier, later in pairwise(one))
