"""A service kills itself at a named point, on real servers; another instance makes it good.

Scheduler, receiver and supervisor are a process each, and the others live on: what a scheduler left
is mostly seen to by the supervisor, not by the scheduler's own next start. The points are those of
`docs/request-lifecycle.md`; on embedded stores: `tests/e2e/test_deaths.py`, `test_deaths_apart.py`.
"""

import asyncio
import contextlib
from typing import Any

import aiohttp
import pytest

from nexus_core.domain.names import RunKey
from support.algorithms import Algorithms
from support.caller import no_answer
from support.deployment import Deployment
from tools.testbed.kubernetes.outcomes import Outcome

pytestmark = [
    pytest.mark.integration,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("deaths"),
]

# A supervisor in a hurry: what it finds, and not how patient it is, is asked here.
HASTE = {
    "NEXUS__SWEEP__INTERVAL": "200ms",
    "NEXUS__SWEEP__STRAGGLER_GRACE": "1s",
    "NEXUS__SWEEP__JOB_MISSING_GRACE": "5s",
}

# What a scheduler had queued is others' soon after it died.
SHORT_LEASE = {"NEXUS__LEASE_DURATION": "2s"}

# A cluster that is given one Job, and no other for as long as a test goes on.
ONE_PLACE = {
    "NEXUS__S3_BUFFER__BUFFER_CONFIG__RATE_LIMIT_ELEMENTS_PER_SECOND": "0.001",
    "NEXUS__S3_BUFFER__BUFFER_CONFIG__RATE_LIMIT_ELEMENTS_BURST": "1",
}

# The next scheduler is another one: it does not take up what this one left under its name.
ANOTHER = {"NEXUS__HOST_NAME": "another-scheduler"}

BODY: dict[str, Any] = {"algorithmParameters": {"name": "Ada"}}


async def submitted(deployment: Deployment, algorithm: str, **body: Any) -> RunKey:
    return RunKey(algorithm, await deployment.submit(algorithm, {**BODY, **body}))


async def only_run(deployment: Deployment, algorithm: str) -> RunKey:
    """Return the one run there is of an algorithm, whose submission nobody answered."""
    page = await deployment.get(f"/algorithm/runs?algorithm={algorithm}")
    (run,) = page["runs"]
    return RunKey(algorithm, run["requestId"])


async def completes_with_one_job(
    deployment: Deployment, algorithms: Algorithms, run: RunKey
) -> None:
    """Expect a run to be running with a Job, and to complete with no other than that one."""
    job = await algorithms.job(run)
    await deployment.reaches(run.algorithm, run.request_id, "RUNNING")
    await deployment.complete(run.algorithm, run.request_id, resultUri="s3a://results/1")
    result = await deployment.finished(run.algorithm, run.request_id)
    assert (result["status"], result["resultUri"]) == ("COMPLETED", "s3a://results/1")
    uid = job["metadata"]["uid"]
    assert (await deployment.metadata(run.algorithm, run.request_id))["job_uid"] == uid
    left = await algorithms.find_job(run)
    assert left is None or left["metadata"]["uid"] == uid
    assert await algorithms.pods_started(run) <= {uid}


# The scheduler.


@pytest.mark.parametrize("point", ["payload-stored", "run-recorded"])
async def test_whenever_accepting_dies_the_next_try_with_its_key_makes_one_run(
    own_deployment: Deployment, algorithms: Algorithms, point: str
) -> None:
    algorithm = await algorithms.publish(Outcome.RUNS)
    await own_deployment.start("RECEIVER")
    await own_deployment.start("SUPERVISOR", **HASTE)
    await own_deployment.start_doomed("SCHEDULER", point, **SHORT_LEASE)
    await own_deployment.comes_up("SCHEDULER")
    with no_answer():
        await own_deployment.submit(algorithm, BODY, "a-key")
    await own_deployment.dies("SCHEDULER")

    await own_deployment.start("SCHEDULER", **ANOTHER)
    again = await own_deployment.submit(algorithm, BODY, "a-key")
    assert await only_run(own_deployment, algorithm) == RunKey(algorithm, again)
    await completes_with_one_job(own_deployment, algorithms, RunKey(algorithm, again))


@pytest.mark.parametrize("point", ["before-job-creation", "job-created", "running-recorded"])
async def test_whenever_a_launch_dies_the_supervisor_goes_on_with_one_job(
    own_deployment: Deployment, algorithms: Algorithms, point: str
) -> None:
    algorithm = await algorithms.publish(Outcome.RUNS)
    await own_deployment.start("RECEIVER")
    await own_deployment.start("SUPERVISOR", **HASTE)
    await own_deployment.start_doomed("SCHEDULER", point, **SHORT_LEASE)
    await own_deployment.comes_up("SCHEDULER")
    # The launch is no part of the request: which of the two is quicker is left to them.
    with contextlib.suppress(aiohttp.ClientError):
        await own_deployment.submit(algorithm, BODY)
    await own_deployment.dies("SCHEDULER")

    await own_deployment.start("SCHEDULER", **ANOTHER)
    run = await only_run(own_deployment, algorithm)
    await completes_with_one_job(own_deployment, algorithms, run)


@pytest.mark.parametrize("point", ["before-verdict", "verdict-recorded"])
async def test_a_run_whose_job_is_refused_ends_though_its_scheduler_dies_over_it(
    own_deployment: Deployment, algorithms: Algorithms, point: str
) -> None:
    # More than Kubernetes lets an object have.
    algorithm = await algorithms.publish(Outcome.RUNS, annotations={"note": 300_000 * "x"})
    await own_deployment.start("SUPERVISOR", **HASTE)
    await own_deployment.start_doomed("SCHEDULER", point, **SHORT_LEASE)
    await own_deployment.comes_up("SCHEDULER")
    with contextlib.suppress(aiohttp.ClientError):
        await own_deployment.submit(algorithm, BODY)
    await own_deployment.dies("SCHEDULER")

    await own_deployment.start("SCHEDULER", **ANOTHER)
    run = await only_run(own_deployment, algorithm)
    result = await own_deployment.finished(algorithm, run.request_id)
    assert result["status"] == "SCHEDULING_FAILED"
    assert "refused the Job" in result["runErrorMessage"]
    told = await own_deployment.metadata(run.algorithm, run.request_id)
    assert "annotations: Too long" in told["algorithm_failure_details"]


async def test_the_queue_of_a_scheduler_that_dies_while_it_stops_is_the_supervisors(
    own_deployment: Deployment, algorithms: Algorithms
) -> None:
    algorithm = await algorithms.publish(Outcome.RUNS)
    await own_deployment.start("RECEIVER")
    await own_deployment.start("SUPERVISOR", **HASTE)
    await own_deployment.start_doomed(
        "SCHEDULER", "before-lease-release", **SHORT_LEASE, **ONE_PLACE
    )
    await own_deployment.comes_up("SCHEDULER")
    runs = [await submitted(own_deployment, algorithm) for _ in range(3)]
    own_deployment.processes["SCHEDULER"].terminate()
    await own_deployment.dies("SCHEDULER")

    await own_deployment.start("SCHEDULER", **ANOTHER)
    for run in runs:
        await completes_with_one_job(own_deployment, algorithms, run)


@pytest.mark.parametrize("point", ["cancel-recorded", "before-job-deletion"])
async def test_a_job_whose_cancellation_died_is_deleted_by_the_supervisor(
    own_deployment: Deployment, algorithms: Algorithms, point: str
) -> None:
    algorithm = await algorithms.publish(Outcome.RUNS)
    await own_deployment.start("SUPERVISOR", **HASTE)
    await own_deployment.start_doomed("SCHEDULER", point, **SHORT_LEASE)
    await own_deployment.comes_up("SCHEDULER")
    run = await submitted(own_deployment, algorithm)
    await algorithms.job(run)
    with no_answer():
        await own_deployment.cancel(algorithm, run.request_id)
    await own_deployment.dies("SCHEDULER")

    await algorithms.gone(run)
    await own_deployment.start("SCHEDULER", **ANOTHER)
    result = await own_deployment.finished(algorithm, run.request_id)
    assert (result["status"], result["runErrorMessage"]) == ("CANCELLED", "Cancelled by Ada.")


async def test_a_child_whose_cancellation_died_with_its_parents_runs_until_it_is_cancelled(
    own_deployment: Deployment, algorithms: Algorithms
) -> None:
    algorithm = await algorithms.publish(Outcome.RUNS)
    await own_deployment.start("SUPERVISOR", **HASTE)
    await own_deployment.start_doomed("SCHEDULER", "cancel-recorded", **SHORT_LEASE)
    await own_deployment.comes_up("SCHEDULER")
    parent = await submitted(own_deployment, algorithm)
    await algorithms.job(parent)
    above = {"requestId": parent.request_id, "algorithmName": algorithm}
    child = await submitted(own_deployment, algorithm, parentRequest=above)
    job = await algorithms.job(child)
    with no_answer():
        await own_deployment.cancel(algorithm, parent.request_id)
    await own_deployment.dies("SCHEDULER")

    # The supervisor lets the child go before it deletes the parent's Job.
    await algorithms.gone(parent)
    await own_deployment.start("SCHEDULER", **ANOTHER)
    told = await own_deployment.reaches(child.algorithm, child.request_id, "RUNNING")
    assert told["job_uid"] == job["metadata"]["uid"]
    assert await algorithms.find_job(child) is not None
    await own_deployment.cancel(algorithm, parent.request_id)
    result = await own_deployment.finished(algorithm, child.request_id)
    assert result["status"] == "CANCELLED"
    await algorithms.gone(child)


# The receiver.


@pytest.mark.parametrize("point", ["before-completion", "completion-recorded", "before-call-back"])
async def test_whenever_a_completion_dies_it_is_sent_again_and_counts_once(
    own_deployment: Deployment, algorithms: Algorithms, point: str
) -> None:
    algorithm = await algorithms.publish(Outcome.RUNS)
    await own_deployment.start("SCHEDULER", "SUPERVISOR")
    await own_deployment.start_doomed("RECEIVER", point)
    await own_deployment.comes_up("RECEIVER")
    run = await submitted(own_deployment, algorithm)
    await own_deployment.reaches(run.algorithm, run.request_id, "RUNNING")
    waiting = asyncio.create_task(
        own_deployment.finished(algorithm, run.request_id), name="a client that waits"
    )
    with no_answer():
        await own_deployment.complete(algorithm, run.request_id, resultUri="s3a://results/1")
    await own_deployment.dies("RECEIVER")
    if point != "before-completion":
        # Whom nobody told finds it in the store.
        assert (await waiting)["status"] == "COMPLETED"

    await own_deployment.start("RECEIVER")
    await own_deployment.complete(algorithm, run.request_id, resultUri="s3a://results/1")
    assert (await waiting)["resultUri"] == "s3a://results/1"
    before = await own_deployment.metadata(run.algorithm, run.request_id)
    await own_deployment.complete(algorithm, run.request_id, resultUri="s3a://results/2")
    assert await own_deployment.metadata(run.algorithm, run.request_id) == before


# The supervisor.


@pytest.mark.parametrize(
    "point",
    [
        "left-runs-read",
        "run-read",
        "job-read",
        "before-job-creation",
        "job-created",
        "running-recorded",
    ],
)
async def test_a_run_whose_supervisor_dies_over_its_launch_is_started_by_the_next(
    own_deployment: Deployment, algorithms: Algorithms, point: str
) -> None:
    algorithm = await algorithms.publish(Outcome.RUNS)
    await own_deployment.start("SCHEDULER", **SHORT_LEASE, **ONE_PLACE)
    runs = [await submitted(own_deployment, algorithm) for _ in range(3)]
    await algorithms.job(runs[0])
    await own_deployment.kill("SCHEDULER")
    await own_deployment.start_doomed("SUPERVISOR", point, **HASTE)
    await own_deployment.dies("SUPERVISOR")

    await own_deployment.start("SUPERVISOR", **HASTE)
    await own_deployment.start("RECEIVER")
    await own_deployment.start("SCHEDULER", **ANOTHER)
    for run in runs:
        await completes_with_one_job(own_deployment, algorithms, run)


@pytest.mark.parametrize(
    "point", ["before-verdict", "verdict-recorded", "before-job-deletion", "job-deleted"]
)
async def test_a_run_whose_supervisor_dies_over_its_verdict_ends_with_the_same_reason(
    own_deployment: Deployment, algorithms: Algorithms, point: str
) -> None:
    algorithm = await algorithms.publish(Outcome.FAILS)
    await own_deployment.start("SCHEDULER")
    await own_deployment.start_doomed("SUPERVISOR", point)
    await own_deployment.comes_up("SUPERVISOR")
    run = await submitted(own_deployment, algorithm)
    await own_deployment.dies("SUPERVISOR")

    await own_deployment.start("SUPERVISOR", **HASTE)
    result = await own_deployment.finished(algorithm, run.request_id)
    assert result["status"] == "DEADLINE_EXCEEDED"
    assert "more often than its retries allow" in result["runErrorMessage"]
    await algorithms.gone(run)
