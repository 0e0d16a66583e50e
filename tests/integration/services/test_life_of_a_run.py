"""The whole way: over HTTP, through Cassandra, S3 and Kubernetes, and back."""

from urllib.parse import urlsplit

import aiohttp
import pytest

from nexus_core.composition.checkpoint_stores import open_checkpoint_stores
from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import Stage
from nexus_core.settings.loader import load
from nexus_core.settings.sections import ServiceSettings
from support.algorithms import Algorithms, environment_of
from support.clock import ManualClock
from support.deployment import Deployment
from support.waiting import until_so
from tools.testbed.kubernetes.outcomes import PRINTED, Outcome

pytestmark = [
    pytest.mark.integration,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("life of a run"),
]

PARAMETERS = {"name": "Ada", "numbers": [1, 2.5, -3e10], "nested": {"ключ": "värde"}}


async def submitted(deployment: Deployment, algorithm: str) -> RunKey:
    return RunKey(
        algorithm, await deployment.submit(algorithm, {"algorithmParameters": PARAMETERS})
    )


async def test_a_run_becomes_a_job_reads_its_payload_and_completes(
    deployment: Deployment, algorithms: Algorithms
) -> None:
    algorithm = await deployment.learns(await algorithms.publish(Outcome.RUNS))

    run = await submitted(deployment, algorithm)
    job = await algorithms.job(run)
    url = job["spec"]["template"]["spec"]["containers"][0]["args"][0].removeprefix("--sas-uri=")
    assert urlsplit(url).netloc == urlsplit(deployment.servers.s3.endpoint).netloc
    assert await deployment.fetch(url) == PARAMETERS

    upload = environment_of(job)["NEXUS__RESULT_UPLOAD_URL"]
    async with aiohttp.ClientSession() as anybody, anybody.put(upload, data=b'{"n": 1}') as stored:
        assert stored.status == 200
    # A run that completes before its scheduler has heard of its Job keeps no uid of it.
    await deployment.reaches(algorithm, run.request_id, "RUNNING")
    await deployment.complete(algorithm, run.request_id)

    result = await deployment.finished(algorithm, run.request_id)
    assert result["status"] == "COMPLETED"
    assert await deployment.fetch(result["resultUri"]) == {"n": 1}
    settings = load(ServiceSettings, deployment.servers.settings())
    async with open_checkpoint_stores(settings, ManualClock()) as stores:
        kept = await stores.store.find(run)
    assert kept is not None
    assert kept.lifecycle_stage is Stage.COMPLETED
    assert kept.job_uid == job["metadata"]["uid"]


@pytest.mark.parametrize(
    ("outcome", "stage", "sentence"),
    [
        (Outcome.FAILS, "DEADLINE_EXCEEDED", "more often than its retries allow"),
        (Outcome.OUT_OF_MEMORY, "DEADLINE_EXCEEDED", "ran out of memory (limit 64Mi)"),
        (Outcome.IMAGE_MISSING, "SCHEDULING_FAILED", "image of the algorithm could not be pulled"),
    ],
)
async def test_what_becomes_of_a_pod_becomes_of_its_run(
    deployment: Deployment,
    algorithms: Algorithms,
    outcome: Outcome,
    stage: str,
    sentence: str,
) -> None:
    algorithm = await deployment.learns(await algorithms.publish(outcome))

    run = await submitted(deployment, algorithm)

    result = await deployment.finished(algorithm, run.request_id)
    assert (result["status"], sentence in result["runErrorMessage"]) == (stage, True), result


async def test_a_run_past_its_deadline_is_ended_by_its_cluster(
    deployment: Deployment, algorithms: Algorithms
) -> None:
    algorithm = await deployment.learns(await algorithms.publish(Outcome.RUNS, deadlineSeconds=2))

    run = await submitted(deployment, algorithm)

    result = await deployment.finished(algorithm, run.request_id)
    assert result["status"] == "DEADLINE_EXCEEDED"


@pytest.mark.parametrize("outcome", [Outcome.FAILS, Outcome.OUT_OF_MEMORY])
async def test_what_a_failed_run_printed_outlives_its_pod(
    deployment: Deployment, algorithms: Algorithms, outcome: Outcome
) -> None:
    algorithm = await deployment.learns(await algorithms.publish(outcome))
    run = await submitted(deployment, algorithm)
    await deployment.finished(algorithm, run.request_id)

    await algorithms.gone(run)

    printed = "".join(f"{line}\n" for line in PRINTED)
    assert await deployment.log(algorithm, run.request_id) == ("kept", printed)


async def test_what_a_run_prints_is_read_while_it_goes_on(
    deployment: Deployment, algorithms: Algorithms
) -> None:
    algorithm = await deployment.learns(await algorithms.publish(Outcome.RUNS))
    run = await submitted(deployment, algorithm)
    await algorithms.job(run)

    async def is_told() -> bool:
        try:
            return await deployment.log(algorithm, run.request_id) == ("live", printed)
        except AssertionError:
            return False

    printed = "".join(f"{line}\n" for line in PRINTED)
    await until_so(is_told)
    await deployment.cancel(algorithm, run.request_id)


async def test_a_cancelled_run_has_no_job_any_more(
    deployment: Deployment, algorithms: Algorithms
) -> None:
    algorithm = await deployment.learns(await algorithms.publish(Outcome.RUNS))
    run = await submitted(deployment, algorithm)
    await algorithms.job(run)

    await deployment.cancel(algorithm, run.request_id)

    await algorithms.gone(run)
    result = await deployment.finished(algorithm, run.request_id)
    assert (result["status"], result["runErrorMessage"]) == ("CANCELLED", "Cancelled by Ada.")


async def test_runs_of_a_scheduler_that_died_are_started_by_the_supervisor(
    own_deployment: Deployment, algorithms: Algorithms
) -> None:
    algorithm = await algorithms.publish(Outcome.RUNS)
    # It accepts, and comes to start nothing: its cluster is given one Job in a thousand seconds.
    slow = {
        "NEXUS__S3_BUFFER__BUFFER_CONFIG__RATE_LIMIT_ELEMENTS_PER_SECOND": "0.001",
        "NEXUS__S3_BUFFER__BUFFER_CONFIG__RATE_LIMIT_ELEMENTS_BURST": "1",
        "NEXUS__LEASE_DURATION": "2s",
    }
    await own_deployment.start("SCHEDULER", **slow)
    runs = [await submitted(own_deployment, algorithm) for _ in range(5)]
    await own_deployment.kill("SCHEDULER")

    await own_deployment.start("SUPERVISOR", NEXUS__SWEEP__INTERVAL="1s")

    for run in runs:
        await algorithms.job(run)
