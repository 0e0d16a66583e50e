"""What becomes of a Job that asks for an outcome: its status, its pods' and the events of both."""

from datetime import UTC, datetime, timedelta

import pytest

from support.cluster_jobs import ClusterJob, container_state, event, has, until
from tools.testbed.kubernetes.outcomes import (
    DURATION,
    EXIT_CODE,
    OUTCOME,
    OUTCOME_UNTIL,
    START_DELAY,
    Outcome,
)

pytestmark = pytest.mark.integration


async def test_a_run_completes_when_nothing_else_is_asked_for(run: ClusterJob) -> None:
    await run.create({})

    await until(lambda: has(run.conditions, "Complete"))
    (pod,) = await run.pods()
    ended = pod.status.container_statuses[0].state.terminated
    assert (pod.status.phase, ended.reason, ended.exit_code) == ("Succeeded", "Completed", 0)
    assert ended.started_at <= ended.finished_at
    assert await event(run, "Started") == "Container started"


@pytest.mark.parametrize(
    ("outcome", "annotations", "reason", "exit_code"),
    [
        (Outcome.FAILS, {}, "Error", 1),
        (Outcome.FAILS, {EXIT_CODE: "42"}, "Error", 42),
        (Outcome.OUT_OF_MEMORY, {}, "OOMKilled", 137),
    ],
)
async def test_a_run_that_ends_badly_fails_its_job(
    run: ClusterJob, outcome: Outcome, annotations: dict[str, str], reason: str, exit_code: int
) -> None:
    await run.create({OUTCOME: outcome, **annotations})

    await until(lambda: has(run.conditions, "Failed"))
    (pod,) = await run.pods()
    ended = pod.status.container_statuses[0].state.terminated
    assert (pod.status.phase, ended.reason, ended.exit_code) == ("Failed", reason, exit_code)
    assert (await run.conditions())["Failed"] == "BackoffLimitExceeded"
    assert await event(run, "BackoffLimitExceeded")


async def test_out_of_memory_may_show_as_exit_code_0(run: ClusterJob) -> None:
    await run.create({OUTCOME: Outcome.OUT_OF_MEMORY, EXIT_CODE: "0"})

    ended = await container_state(run, "terminated")
    assert (ended.reason, ended.exit_code) == ("OOMKilled", 0)
    await until(lambda: has(run.conditions, "Complete"))


async def test_an_exit_code_that_is_fatal_by_the_pod_failure_policy_says_so(
    run: ClusterJob,
) -> None:
    fatal = {
        "action": "FailJob",
        "onExitCodes": {"containerName": "algorithm", "operator": "In", "values": [7]},
    }
    await run.create(
        {OUTCOME: Outcome.FAILS, EXIT_CODE: "7"},
        backoffLimit=3,
        podFailurePolicy={"rules": [fatal]},
    )

    await until(lambda: has(run.conditions, "Failed"))
    assert (await run.conditions())["Failed"] == "PodFailurePolicy"
    assert await event(run, "PodFailurePolicy")


async def test_an_image_that_is_missing_is_waited_for(run: ClusterJob) -> None:
    await run.create({OUTCOME: Outcome.IMAGE_MISSING})

    waiting = await container_state(run, "waiting", "ImagePullBackOff")
    assert waiting.message == 'Back-off pulling image "registry.example/nowhere:1"'
    assert await event(run, "BackOff") == 'Back-off pulling image "registry.example/nowhere:1"'
    assert await event(run, "Failed")
    assert "Started" not in await run.events()
    (pod,) = await run.pods()
    assert pod.status.phase == "Pending"


async def test_a_container_that_cannot_be_created_is_waited_for(run: ClusterJob) -> None:
    await run.create({OUTCOME: Outcome.CONFIG_MISSING})

    await container_state(run, "waiting", "CreateContainerConfigError")
    assert await event(run, "Failed") == 'Error: configmap "settings" not found'


async def test_a_volume_that_cannot_be_mounted_is_waited_for(run: ClusterJob) -> None:
    await run.create({OUTCOME: Outcome.NEVER_STARTS})

    await container_state(run, "waiting", "ContainerCreating")
    assert await event(run, "FailedMount")
    assert "Started" not in await run.events()


async def test_a_crashing_container_waits_for_its_next_start(run: ClusterJob) -> None:
    await run.create({OUTCOME: Outcome.CRASH_LOOPS, EXIT_CODE: "3"})

    await container_state(run, "waiting", "CrashLoopBackOff")
    (pod,) = await run.pods()
    (container,) = pod.status.container_statuses
    assert container.last_state.terminated.exit_code == 3
    assert container.restart_count == 1
    said = await event(run, "BackOff")
    assert said.startswith("Back-off restarting failed container algorithm in pod outcome-")


async def test_an_eviction_does_not_count_and_the_next_pod_may_do_better(run: ClusterJob) -> None:
    until_then = (datetime.now(UTC) + timedelta(seconds=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    ignored = {
        "action": "Ignore",
        "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
    }
    await run.create(
        {OUTCOME: Outcome.EVICTED, OUTCOME_UNTIL: until_then}, podFailurePolicy={"rules": [ignored]}
    )

    await until(lambda: has(run.conditions, "Complete"))
    reasons = [pod.status.reason for pod in await run.pods()]
    assert sorted(map(str, reasons)) == ["Evicted", "None"]
    assert await event(run, "Evicted")


async def test_a_deadline_ends_a_run_that_would_run_for_ever(run: ClusterJob) -> None:
    await run.create({OUTCOME: Outcome.RUNS}, activeDeadlineSeconds=1)

    await until(lambda: has(run.conditions, "Failed"))
    assert (await run.conditions())["Failed"] == "DeadlineExceeded"
    assert await event(run, "DeadlineExceeded")


async def test_a_pod_sits_on_its_node_and_runs_as_long_as_it_is_told(run: ClusterJob) -> None:
    await run.create({START_DELAY: "1s", DURATION: "2s"})

    running = await container_state(run, "running")
    ended = await container_state(run, "terminated")
    (pod,) = await run.pods()
    # Timestamps are whole seconds.
    assert running.started_at - pod.metadata.creation_timestamp >= timedelta(seconds=1)
    assert ended.finished_at - ended.started_at >= timedelta(seconds=2)


async def test_a_deleted_run_takes_its_pod_along(run: ClusterJob) -> None:
    await run.create({OUTCOME: Outcome.RUNS})
    await container_state(run, "running")

    await run.delete()

    async def gone() -> bool:
        return not await run.pods()

    await until(gone)


async def test_a_pod_that_fits_no_node_stays_pending(run: ClusterJob) -> None:
    await run.create({}, pod={"nodeSelector": {"kubernetes.io/hostname": "nowhere"}})

    assert "node" in await event(run, "FailedScheduling")
    (pod,) = await run.pods()
    assert (pod.status.phase, pod.spec.node_name) == ("Pending", None)
