"""Clients of the Go implementation, unchanged, against our scheduler and receiver."""

import json

import pytest

from nexus_core.domain.names import RunKey
from support.algorithms import Algorithms
from support.deployment import Deployment
from support.published_client import PublishedClient, RefusedError
from tools.testbed.kubernetes.outcomes import Outcome

pytestmark = [
    pytest.mark.integration,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("published client"),
]

PARAMETERS = {"numbers": [1, 2, 3]}


async def created(client: PublishedClient, algorithm: str, **more: object) -> RunKey:
    request_id = await client.scheduler(
        "create_run", algorithm_name=algorithm, algorithm_parameters=PARAMETERS, **more
    )
    assert isinstance(request_id, str), request_id
    return RunKey(algorithm, request_id)


async def awaited(client: PublishedClient, key: RunKey) -> dict[str, str | None]:
    result: dict[str, str | None] = await client.scheduler(
        "await_run",
        request_id=key.request_id,
        algorithm=key.algorithm,
        poll_interval_seconds=1,
        wait_timeout_seconds=30,
    )
    assert isinstance(result, dict), result
    return result


async def test_a_run_that_is_created_awaited_and_reported_by_published_clients(
    deployment: Deployment, client: PublishedClient, algorithms: Algorithms
) -> None:
    algorithm = await deployment.learns(await algorithms.publish(Outcome.RUNS))
    key = await created(client, algorithm, tag=f"tag of {algorithm}")
    await algorithms.job(key)
    assert await client.receiver("check_run", algorithm=algorithm, request_id=key.request_id) is (
        False
    )

    reported = await client.receiver(
        "complete_run",
        result={"result_uri": "s3a://results/1"},
        algorithm=algorithm,
        request_id=key.request_id,
    )

    assert reported is None
    result = await awaited(client, key)
    assert (result["status"], result["result_uri"]) == ("COMPLETED", "s3a://results/1")
    assert await client.receiver("check_run", algorithm=algorithm, request_id=key.request_id) is (
        True
    )
    tagged = await client.scheduler("get_run_results", tag=f"tag of {algorithm}")
    assert [run["request_id"] for run in tagged] == [key.request_id]


async def test_a_failure_that_is_reported_is_told_with_its_cause(
    deployment: Deployment, client: PublishedClient, algorithms: Algorithms
) -> None:
    algorithm = await deployment.learns(await algorithms.publish(Outcome.RUNS))
    key = await created(client, algorithm)
    await algorithms.job(key)

    await client.receiver(
        "complete_run",
        result={"error": "no feasible tour"},
        algorithm=algorithm,
        request_id=key.request_id,
    )

    result = await awaited(client, key)
    assert result["status"] == "FAILED"
    assert "no feasible tour" in str(result["run_error_message"])


async def test_metadata_of_a_run_with_overrides_and_a_parent_are_decoded_whole(
    deployment: Deployment, client: PublishedClient, algorithms: Algorithms
) -> None:
    algorithm = await deployment.learns(await algorithms.publish(Outcome.RUNS))
    parent = await created(client, algorithm)
    await algorithms.job(parent)

    child = await created(
        client,
        algorithm,
        # Of limits, the client sends both or none.
        custom_configuration={
            "version": "2",
            "cpu_limit": "200m",
            "memory_limit": "1Gi",
            "max_retries": 1,
        },
        parent_request={"algorithm_name": algorithm, "request_id": parent.request_id},
    )

    job = await algorithms.job(child)
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["image"].endswith(":2")
    assert container["resources"]["limits"] == {"cpu": "200m", "memory": "1Gi"}
    assert job["spec"]["backoffLimit"] == 1
    metadata = await client.scheduler(
        "get_request_metadata", request_id=child.request_id, algorithm=algorithm
    )
    assert metadata["client_error_type"] is None
    assert metadata["id"] == child.request_id
    assert json.loads(metadata["applied_configuration"])["container"]["versionTag"] == "2"


async def test_what_is_wrong_is_told_by_its_kind(
    deployment: Deployment, client: PublishedClient, algorithms: Algorithms
) -> None:
    algorithm = await deployment.learns(await algorithms.publish(Outcome.RUNS))

    unknown = await client.scheduler(
        "create_run", algorithm_name=f"no-{algorithm}", algorithm_parameters=PARAMETERS
    )

    assert isinstance(unknown, RefusedError)
    assert (unknown.kind, str(unknown)) == (
        "BadRequestError",
        f"there is no algorithm 'no-{algorithm}'",
    )


async def test_a_dry_run_completes_and_a_cancelled_run_is_cancelled(
    deployment: Deployment, client: PublishedClient, algorithms: Algorithms
) -> None:
    algorithm = await deployment.learns(await algorithms.publish(Outcome.RUNS))
    dry = await created(client, algorithm, dry_run=True)
    assert (await awaited(client, dry))["status"] == "COMPLETED"
    assert await algorithms.find_job(dry) is None

    key = await created(client, algorithm)
    await algorithms.job(key)
    await client.scheduler(
        "cancel_run",
        request_id=key.request_id,
        algorithm=algorithm,
        initiator="Ada",
        reason="a test",
    )

    assert (await awaited(client, key))["status"] == "CANCELLED"
    await algorithms.gone(key)
