import contextlib
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from kubernetes_asyncio import client, config

from support.cluster_jobs import ClusterJob
from tools.testbed.description import KubernetesDescription


@pytest.fixture
async def api(kubernetes_server: KubernetesDescription) -> AsyncIterator[client.ApiClient]:
    configuration = client.Configuration()
    await config.load_kube_config(kubernetes_server.kubeconfig, client_configuration=configuration)
    async with client.ApiClient(configuration) as api:
        yield api


@pytest.fixture
async def run(
    api: client.ApiClient, kubernetes_server: KubernetesDescription
) -> AsyncIterator[ClusterJob]:
    run = ClusterJob(api, kubernetes_server.namespace, f"outcome-{uuid4()}")
    yield run
    with contextlib.suppress(client.ApiException):
        await run.delete()
