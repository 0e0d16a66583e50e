"""Who may do what in the cluster of the testbed."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from kubernetes_asyncio import client, config
from kubernetes_asyncio.client.exceptions import ApiException

from tools.testbed.description import KubernetesDescription

pytestmark = pytest.mark.integration


@asynccontextmanager
async def jobs(kubeconfig: str | Path) -> AsyncIterator[client.BatchV1Api]:
    configuration = client.Configuration()
    await config.load_kube_config(str(kubeconfig), client_configuration=configuration)
    async with client.ApiClient(configuration) as api:
        yield client.BatchV1Api(api)


async def refused(call: Callable[[], Any]) -> int:
    with pytest.raises(ApiException) as refusal:
        await call()
    return int(refusal.value.status)


async def test_the_account_of_nexus_creates_and_deletes_jobs_where_runs_go(
    kubernetes_server: KubernetesDescription,
) -> None:
    shards = Path(kubernetes_server.shards_folder)
    job: Any = {
        "metadata": {"name": f"access-{uuid4()}"},
        "spec": {
            "template": {
                "spec": {
                    "restartPolicy": "Never",
                    "containers": [{"name": "algorithm", "image": "nowhere"}],
                }
            }
        },
    }
    for cluster, namespace in (
        ("shard-0", kubernetes_server.namespace),
        ("shard-1", kubernetes_server.second_namespace),
    ):
        async with jobs(shards / f"{cluster}.kubeconfig") as api:
            made = await api.create_namespaced_job(namespace, job)
            await api.delete_namespaced_job(
                made.metadata.name, namespace, propagation_policy="Background"
            )


async def test_the_account_of_nexus_has_no_say_elsewhere(
    kubernetes_server: KubernetesDescription,
) -> None:
    async with jobs(kubernetes_server.nexus_kubeconfig) as api:
        assert await refused(lambda: api.list_namespaced_job("default")) == 403
        assert await refused(api.list_job_for_all_namespaces) == 403


async def test_a_stranger_is_known_and_may_do_nothing(
    kubernetes_server: KubernetesDescription,
) -> None:
    async with jobs(kubernetes_server.denied_kubeconfig) as api:
        listing = api.list_namespaced_job
        assert await refused(lambda: listing(kubernetes_server.namespace)) == 403


async def test_a_certificate_whose_time_is_over_is_no_login(
    kubernetes_server: KubernetesDescription,
) -> None:
    async with jobs(kubernetes_server.expired_kubeconfig) as api:
        listing = api.list_namespaced_job
        assert await refused(lambda: listing(kubernetes_server.namespace)) == 401
