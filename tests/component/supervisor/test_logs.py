"""What failed runs printed last is kept with them, before their Jobs go."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.names import RunKey
from nexus_core.domain.observation import JobPhase
from nexus_core.domain.stages import Stage, StageChange
from nexus_core.settings.sections import Logs
from nexus_core.settings.values import Duration, RowSize
from nexus_supervisor.settings import Sweep
from support.calls import Client
from support.clock import ManualClock
from support.receiver_client import metric
from support.services import World
from support.stored_runs import store_run
from support.sweeping import a_sweeper
from support.trouble import Trouble
from support.waiting import until

PRINTED = "reading the map\nno way leads to Atlantis\n"


async def a_run_that_printed(world: World, stage: Stage = Stage.RUNNING) -> RunKey:
    """Record a run whose Job is there, finished or not."""
    key = await store_run(world, Stage.RUNNING)
    world.cluster.logs[key] = PRINTED
    if stage.finished:
        await world.stores.store.advance(key, StageChange(to=stage, at=world.clock.now()))
    return key


def fail(world: World, key: RunKey, reason: str = "PodFailurePolicy") -> None:
    world.cluster.fail(key, reason)


@asynccontextmanager
async def supervisor(world: World, **logs: Any) -> AsyncIterator[Client]:
    """A supervisor that follows the cluster already."""
    sweep = Sweep(job_kept_for=Duration(0))
    async with world.supervisor(logs=Logs(**logs), sweep=sweep) as url:
        await until(lambda: world.cluster.followers)
        yield Client(world.session, url)


async def is_removed(world: World, key: RunKey) -> None:
    await until(lambda: key not in world.cluster.living)


async def kept(world: World, key: RunKey) -> str | None:
    tail = await world.stores.journal.kept_log(key)
    return tail.text if tail else None


async def counted(supervisor: Client, outcome: str) -> float:
    return await metric(supervisor, "nexus_supervisor_kept_logs_total", outcome=outcome)


@pytest.mark.parametrize(
    ("reason", "stage"),
    [
        ("PodFailurePolicy", Stage.FAILED),
        ("BackoffLimitExceeded", Stage.DEADLINE_EXCEEDED),
        ("DeadlineExceeded", Stage.DEADLINE_EXCEEDED),
    ],
)
async def test_what_a_failed_run_printed_is_kept_before_its_job_is_deleted(
    world: World, reason: str, stage: Stage
) -> None:
    key = await a_run_that_printed(world)
    async with supervisor(world) as client:
        fail(world, key, reason)
        await is_removed(world, key)

        assert await world.stage(key) is stage
        tail = await world.stores.journal.kept_log(key)
        assert tail is not None
        assert (tail.text, tail.truncated) == (PRINTED, False)
        assert tail.pod == f"{key.request_id}-0"
        assert await counted(client, "kept") == 1


async def test_no_verdict_waits_for_a_log(world: World) -> None:
    key = await a_run_that_printed(world)
    world.cluster.log_gate.clear()
    async with supervisor(world):
        fail(world, key)
        await world.reaches(key, Stage.FAILED)

        assert await kept(world, key) is None
        assert key in world.cluster.living
        world.cluster.log_gate.set()
        await is_removed(world, key)
        assert await kept(world, key) == PRINTED


async def test_no_more_is_kept_than_set(world: World) -> None:
    key = await a_run_that_printed(world)
    async with supervisor(world, kept_bytes=RowSize(9)):
        fail(world, key)
        await is_removed(world, key)

        tail = await world.stores.journal.kept_log(key)
        assert tail is not None
        assert (tail.text, tail.truncated) == ("Atlantis\n", True)


async def test_where_none_is_to_be_kept_none_is_read(world: World) -> None:
    key = await a_run_that_printed(world)
    async with supervisor(world, kept_bytes=RowSize(0)):
        fail(world, key)
        await is_removed(world, key)

    assert world.cluster.log_reads == []


async def test_a_run_that_printed_nothing_ends_as_any_other(world: World) -> None:
    key = await store_run(world, Stage.RUNNING)
    async with supervisor(world) as client:
        fail(world, key)
        await is_removed(world, key)

        assert await kept(world, key) is None
        assert await counted(client, "none") == 1


async def test_a_log_that_can_not_be_read_keeps_no_job_alive(world: World) -> None:
    key = await a_run_that_printed(world)
    world.cluster.log_refusal = UnavailableError("the node is away")
    async with supervisor(world) as client:
        fail(world, key)
        await is_removed(world, key)

        assert await world.stage(key) is Stage.FAILED
        assert await counted(client, "lost") == 1


async def test_a_log_that_takes_too_long_keeps_no_job_alive(world: World) -> None:
    key = await a_run_that_printed(world)
    world.cluster.log_gate.clear()
    async with supervisor(world, keep_timeout=Duration(0.05)) as client:
        fail(world, key)
        await is_removed(world, key)

        assert await world.stage(key) is Stage.FAILED
        assert await counted(client, "lost") == 1


async def test_a_log_that_can_not_be_kept_keeps_no_job_alive(
    world: World, trouble: Trouble
) -> None:
    key = await a_run_that_printed(world)
    trouble.breaks("keep_log")
    async with supervisor(world) as client:
        fail(world, key)
        await is_removed(world, key)

        assert await counted(client, "lost") == 1


@pytest.mark.parametrize("stage", [Stage.COMPLETED, Stage.CANCELLED, Stage.SCHEDULING_FAILED])
async def test_of_a_run_that_ended_otherwise_no_log_is_kept(world: World, stage: Stage) -> None:
    key = await a_run_that_printed(world, stage)
    async with supervisor(world):
        fail(world, key)
        await is_removed(world, key)

    assert world.cluster.log_reads == []


async def test_a_failure_that_was_recorded_by_others_loses_no_log(world: World) -> None:
    """By its algorithm, or by a supervisor that died before it kept the log."""
    key = await a_run_that_printed(world, Stage.FAILED)
    async with supervisor(world):
        fail(world, key)
        await is_removed(world, key)

    assert await kept(world, key) == PRINTED


async def test_a_job_that_goes_on_after_its_run_has_failed_loses_no_log(
    world: World, clock: ManualClock
) -> None:
    key = await a_run_that_printed(world, Stage.FAILED)
    await clock.advance(61)

    await a_sweeper(world).sweep()

    assert key not in world.cluster.living
    assert await kept(world, key) == PRINTED


async def test_a_job_that_reported_nothing_loses_no_log_when_its_cluster_removes_it(
    world: World, clock: ManualClock
) -> None:
    key = await a_run_that_printed(world)
    world.cluster.become(key, phase=JobPhase.SUCCEEDED, finished_at=clock.now())
    await clock.advance(61)

    await a_sweeper(world).sweep()

    assert await world.stage(key) is Stage.FAILED
    assert key in world.cluster.living
    assert await kept(world, key) == PRINTED


async def test_what_was_printed_is_kept_before_pods_go_that_their_cluster_ends(
    world: World,
) -> None:
    key = await a_run_that_printed(world)
    async with supervisor(world):
        world.cluster.tell(key, failing=True)
        await until(lambda: world.cluster.log_reads)
        assert await world.stage(key) is Stage.RUNNING
        del world.cluster.logs[key]
        fail(world, key, "DeadlineExceeded")
        await is_removed(world, key)

    assert await kept(world, key) == PRINTED
