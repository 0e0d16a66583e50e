"""What a cluster tells settles runs at once, as the contract's table says."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from nexus_core.domain import observation
from nexus_core.domain.checkpoint import Checkpoint
from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.names import RunKey
from nexus_core.domain.observation import JobPhase, PodPhase
from nexus_core.domain.stages import FINISHED_STAGES, Stage, StageChange
from nexus_core.settings.values import Duration
from nexus_supervisor.settings import Sweep
from support.calls import Client
from support.clock import ManualClock
from support.observations import a_pod_status
from support.receiver_client import metric
from support.runs import LONG_AGO, a_checkpoint
from support.services import World
from support.stored_runs import a_real_job, store_run
from support.trouble import Trouble
from support.waiting import until

# Longer than anything here takes.
PATIENCE = 10.0
_NUMBERS = itertools.count()

IMAGE_CAUSE = "The image of the algorithm could not be pulled"
START_CAUSE = "The container of the algorithm could not be started"


@pytest.fixture
async def supervisor(world: World) -> AsyncIterator[Client]:
    """A supervisor that follows the cluster already."""
    async with world.supervisor(sweep=Sweep(job_kept_for=Duration(0))) as url:
        await until(lambda: world.cluster.followers)
        yield Client(world.session, url)


async def recorded(world: World, key: RunKey) -> Checkpoint:
    checkpoint = await world.stores.store.find(key)
    assert checkpoint is not None
    return checkpoint


async def is_heard(world: World, supervisor: Client, key: RunKey) -> None:
    """Return when all that was told of a run was heeded: its events keep their order."""
    reason = f"Last{next(_NUMBERS)}"
    world.cluster.mention(key, reason)
    async with asyncio.timeout(PATIENCE):
        while not await metric(supervisor, "nexus_supervisor_observations_total", reason=reason):
            pass


def a_pod(**changes: Any) -> dict[str, Any]:
    """Return what a Job shows while its pod does not come to run."""
    return {"pods": (a_pod_status(**changes),)}


def waits(reason: str, message: str = "", since: datetime | None = None) -> dict[str, Any]:
    return a_pod(waiting=observation.Trouble(reason=reason, message=message, since=since))


def fails(reason: str, message: str) -> dict[str, Any]:
    return {"phase": JobPhase.FAILED, "reason": reason, "message": message}


EARLIER = LONG_AGO - timedelta(hours=1)
REFUSED = observation.Trouble(reason="FailedCreate", message="words")

TABLE = [
    (waits("InvalidImageName", "words"), Stage.SCHEDULING_FAILED, IMAGE_CAUSE),
    (waits("ErrImagePull", "words", EARLIER), Stage.SCHEDULING_FAILED, IMAGE_CAUSE),
    (waits("CreateContainerConfigError", "words", EARLIER), Stage.SCHEDULING_FAILED, START_CAUSE),
    (waits("CrashLoopBackOff", "words"), Stage.FAILED, "The algorithm crashed repeatedly"),
    (
        {"refused": REFUSED, "attended_at": EARLIER},
        Stage.SCHEDULING_FAILED,
        "The cluster refused to create a pod for the run",
    ),
    (
        fails("DeadlineExceeded", "words"),
        Stage.DEADLINE_EXCEEDED,
        "The run exceeded its deadline",
    ),
    (
        fails("BackoffLimitExceeded", "words"),
        Stage.DEADLINE_EXCEEDED,
        "The algorithm failed more often than its retries allow",
    ),
    (
        fails("PodFailurePolicy", "words: exit code 3 matching FailJob rule"),
        Stage.FAILED,
        "The algorithm ended with a fatal error: exit code 3",
    ),
]


@pytest.mark.parametrize(("told", "stage", "cause"), TABLE)
@pytest.mark.parametrize("start", [Stage.BUFFERED, Stage.RUNNING])
@pytest.mark.usefixtures("supervisor")
async def test_a_failure_that_is_told_settles_its_run_and_deletes_its_job(
    world: World, start: Stage, told: dict[str, Any], stage: Stage, cause: str
) -> None:
    key = await a_run_with_a_job(world, start)

    world.cluster.tell(key, **told)

    await until(lambda: key not in world.cluster.living)
    run = await recorded(world, key)
    assert run.lifecycle_stage is stage
    assert run.algorithm_failure_cause.startswith(cause)
    assert run.algorithm_failure_details.startswith("words")


async def a_run_with_a_job(world: World, stage: Stage) -> RunKey:
    key = await store_run(world, stage)
    if stage is Stage.BUFFERED:
        await world.cluster.create_job(key, a_real_job(await recorded(world, key)).manifest)
    return key


async def test_a_started_pod_is_a_running_run(
    world: World, supervisor: Client, clock: ManualClock
) -> None:
    key = await a_run_with_a_job(world, Stage.BUFFERED)
    status = await world.cluster.find_job(key)
    assert status is not None

    await clock.advance(5)
    world.cluster.tell(key, started=True)

    await is_heard(world, supervisor, key)
    run = await recorded(world, key)
    assert run.lifecycle_stage is Stage.RUNNING
    assert (run.job_uid, run.sent_at) == (status.uid, status.created_at)
    assert key in world.cluster.living


async def test_a_start_that_is_recorded_already_costs_no_write_and_is_looked_up_once(
    world: World, supervisor: Client, trouble: Trouble
) -> None:
    key = await store_run(world, Stage.RUNNING)
    trouble.calls.clear()

    for node in ("a", "b", "c"):
        pod = a_pod_status(PodPhase.RUNNING, started_at=LONG_AGO, node=node)
        world.cluster.tell(key, started=True, pods=(pod,))
    await is_heard(world, supervisor, key)

    assert len(trouble.answers("find")) == 1
    assert not trouble.answers("advance")


async def test_a_job_that_goes_is_left_to_the_sweep_which_remembers_how_it_was(
    world: World, supervisor: Client, clock: ManualClock
) -> None:
    key = await store_run(world, Stage.RUNNING)
    world.cluster.tell(key, **fails("DeadlineExceeded", "too long"), deleted_at=clock.now())
    world.cluster.lose(key)
    await is_heard(world, supervisor, key)
    assert await world.stage(key) is Stage.RUNNING

    await clock.advance(50)

    async with asyncio.timeout(PATIENCE):
        while await world.stage(key) is not Stage.DEADLINE_EXCEEDED:
            await clock.advance(1)


@pytest.mark.parametrize("reason", ["PodFailurePolicy", "BackoffLimitExceeded"])
@pytest.mark.usefixtures("supervisor")
async def test_a_run_that_ran_out_of_memory_is_told_its_limit(world: World, reason: str) -> None:
    key = await store_run(world, Stage.RUNNING)

    world.cluster.fail(key, reason, exit_code=137, termination_reason="OOMKilled")

    await until(lambda: key not in world.cluster.living)
    cause = (await recorded(world, key)).algorithm_failure_cause
    assert cause.endswith("it ran out of memory (limit 128Mi).")


@pytest.mark.usefixtures("supervisor")
async def test_a_verdict_is_recorded_before_the_job_is_deleted(
    world: World, trouble: Trouble
) -> None:
    key = await store_run(world, Stage.RUNNING)
    gate = trouble.holds_up(key)

    world.cluster.fail(key, "DeadlineExceeded")
    await until(lambda: key in trouble.waiting)
    assert key in world.cluster.living

    gate.set()
    await until(lambda: key not in world.cluster.living)
    assert await world.stage(key) is Stage.DEADLINE_EXCEEDED


async def test_a_job_is_kept_whose_verdict_could_not_be_recorded(
    world: World, supervisor: Client, trouble: Trouble
) -> None:
    key = await store_run(world, Stage.RUNNING)
    trouble.breaks("advance")

    world.cluster.fail(key, "DeadlineExceeded")

    await is_heard(world, supervisor, key)
    assert key in world.cluster.living
    assert await world.stage(key) is Stage.RUNNING


async def test_what_is_told_twice_late_or_out_of_order_changes_nothing_more(
    world: World, supervisor: Client
) -> None:
    key = await store_run(world, Stage.RUNNING)
    world.cluster.fail(key, "PodFailurePolicy", message="first")
    await is_heard(world, supervisor, key)
    settled = await recorded(world, key)

    for late in (
        fails("PodFailurePolicy", "again"),
        fails("DeadlineExceeded", "again"),
        {"started": True},
        waits("InvalidImageName", "again"),
        fails("BackoffLimitExceeded", "again"),
    ):
        world.cluster.tell(key, **late)
    await is_heard(world, supervisor, key)

    assert settled.lifecycle_stage is Stage.FAILED
    assert await recorded(world, key) == settled
    assert await metric(supervisor, "nexus_supervisor_settled_runs_total") == 1


@pytest.mark.parametrize("stage", sorted(FINISHED_STAGES))
async def test_a_finished_run_is_told_nothing_new_by_events(
    world: World, supervisor: Client, stage: Stage
) -> None:
    key = await store_run(world, stage)
    before = await recorded(world, key)

    for told in ({"started": True}, waits("CrashLoopBackOff"), fails("DeadlineExceeded", "why")):
        world.cluster.tell(key, **told)
    await is_heard(world, supervisor, key)

    assert await recorded(world, key) == before


async def test_the_job_of_an_unknown_run_is_left_alone(world: World, supervisor: Client) -> None:
    stranger = a_checkpoint()
    await world.cluster.create_job(stranger.key, a_real_job(stranger).manifest)

    for told in ({"started": True}, waits("CrashLoopBackOff"), fails("DeadlineExceeded", "why")):
        world.cluster.tell(stranger.key, **told)
    await is_heard(world, supervisor, stranger.key)

    assert stranger.key in world.cluster.living
    assert await world.stage(stranger.key) is None


async def test_what_means_nothing_changes_nothing(world: World, supervisor: Client) -> None:
    key = await store_run(world, Stage.RUNNING)
    before = await recorded(world, key)

    now = world.clock.now()
    for told in (
        waits("ContainerCreating"),
        waits("ErrImagePull"),
        a_pod(unschedulable=observation.Trouble(reason="Unschedulable", since=now)),
        {"phase": JobPhase.SUCCEEDED, "pods": (), "finished_at": LONG_AGO},
    ):
        world.cluster.tell(key, **told)
    await is_heard(world, supervisor, key)

    assert await recorded(world, key) == before
    assert key in world.cluster.living


async def test_a_feed_that_breaks_is_followed_again_after_a_pause(
    world: World, supervisor: Client, clock: ManualClock
) -> None:
    key = await store_run(world, Stage.RUNNING)

    world.cluster.break_feed()
    await until(lambda: not world.cluster.followers)
    await clock.advance(1)
    await until(lambda: world.cluster.followers)

    world.cluster.fail(key, "DeadlineExceeded")
    await is_heard(world, supervisor, key)
    assert await world.stage(key) is Stage.DEADLINE_EXCEEDED


@pytest.mark.usefixtures("supervisor")
async def test_a_cluster_that_is_away_is_asked_again_ever_more_rarely(
    world: World, clock: ManualClock
) -> None:
    world.cluster.refusal = UnavailableError("no route to the cluster")
    world.cluster.break_feed()
    await until(lambda: not world.cluster.followers)
    for _ in range(10):
        await clock.advance(30)
    world.cluster.refusal = None
    await clock.advance(30)

    await until(lambda: world.cluster.followers)


async def test_a_run_that_the_store_keeps_waiting_holds_up_no_run_beside_it(
    world: World, supervisor: Client, trouble: Trouble
) -> None:
    slow = await store_run(world, Stage.RUNNING)
    others = [await store_run(world, Stage.RUNNING) for _ in range(64)]
    # Runs share a fixed number of lanes; the ones in the lane of the slow one do wait.
    other = next(key for key in others if hash(key) % 16 != hash(slow) % 16)
    gate = trouble.holds_up(slow)
    world.cluster.fail(slow, "DeadlineExceeded")
    await until(lambda: slow in trouble.waiting)

    world.cluster.fail(other, "DeadlineExceeded")

    await until(lambda: other not in world.cluster.living)
    assert slow in world.cluster.living
    gate.set()
    await is_heard(world, supervisor, slow)
    assert await world.stage(slow) is Stage.DEADLINE_EXCEEDED


async def test_an_error_that_nobody_foresaw_does_not_end_the_following(
    world: World, supervisor: Client, trouble: Trouble
) -> None:
    key = await store_run(world, Stage.RUNNING)
    trouble.breaks("advance", error=RuntimeError("a bug"))
    world.cluster.fail(key, "DeadlineExceeded")
    await is_heard(world, supervisor, key)

    trouble.is_over()
    world.cluster.fail(key, "DeadlineExceeded")
    await is_heard(world, supervisor, key)

    assert await world.stage(key) is Stage.DEADLINE_EXCEEDED


async def test_a_completion_and_the_event_of_its_end_leave_what_came_first(
    world: World, supervisor: Client, clock: ManualClock
) -> None:
    key = await store_run(world, Stage.RUNNING)
    completed = StageChange(to=Stage.COMPLETED, at=clock.now(), result_uri="uri")
    await world.stores.store.advance(key, completed)

    world.cluster.fail(key, "DeadlineExceeded")
    await is_heard(world, supervisor, key)

    run = await recorded(world, key)
    assert (run.lifecycle_stage, run.result_uri) == (Stage.COMPLETED, "uri")
    assert run.algorithm_failure_cause == ""
