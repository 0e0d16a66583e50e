"""The accounts of `deploy/rbac`: each may do what its service does, and little else."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from structlog.testing import capture_logs

from nexus_core.adapters.kubernetes.catalogue import KubernetesCatalogue
from nexus_core.aio.clock import SystemClock
from nexus_core.domain.request import CancellationPolicy
from support.clusters import FOR_EVER, Witness, a_manifest, a_run_key
from support.custom_resources import (
    Kubectl,
    Resources,
    connected_by,
    own_namespace,
    told,
)
from support.kubernetes import tidy_cluster
from support.manifests import a_workgroup_manifest
from support.waiting import until_so
from tools.testbed.description import KubernetesDescription
from tools.testbed.kubernetes import kubeconfig
from tools.testbed.kubernetes.kubeconfig import Endpoint

pytestmark = pytest.mark.integration

RBAC = sorted(Path("deploy/rbac").glob("*.yaml"))


@dataclass
class Deployed:
    """The accounts and roles, in namespaces of the test's own."""

    server: KubernetesDescription
    kubectl: Kubectl
    templates: Resources
    runs: Resources
    folder: Path

    async def kubeconfig_of(self, account: str) -> Path:
        path = f"/api/v1/namespaces/{self.templates.namespace}/serviceaccounts/{account}/token"
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        body = msgspec.json.encode(request)
        answer = told(await self.templates.connection.request("POST", path, body=body))
        endpoint = Endpoint(self.server.endpoint, Path(self.server.ca))
        token = answer["status"]["token"]
        content = kubeconfig.with_token(endpoint, token, cluster="testbed", namespace="default")
        return kubeconfig.write(self.folder / f"{account}.kubeconfig", content)

    async def may(self, account: str, verb: str, resource: str, namespace: str) -> bool:
        user = f"system:serviceaccount:{self.templates.namespace}:{account}"
        code, _, _ = await self.kubectl.run(
            "auth", "can-i", verb, resource, f"--as={user}", "-n", namespace
        )
        return code == 0


def moved(value: Any, namespaces: dict[str, str]) -> Any:
    """Return a manifest with other namespaces in the place of those it names."""
    if isinstance(value, dict):
        return {
            key: namespaces[one] if key == "namespace" else moved(one, namespaces)
            for key, one in value.items()
        }
    if isinstance(value, list):
        return [moved(one, namespaces) for one in value]
    return value


@pytest.fixture
async def deployed(
    kubernetes_server: KubernetesDescription, kubectl: Kubectl, tmp_path: Path
) -> AsyncIterator[Deployed]:
    documents = [one for file in RBAC for one in yaml.safe_load_all(file.read_text("utf-8"))]
    async with AsyncExitStack() as stack:
        connection = await stack.enter_async_context(connected_by(kubernetes_server.kubeconfig))
        templates = await stack.enter_async_context(own_namespace(connection))
        runs = await stack.enter_async_context(own_namespace(connection))
        places = {"nexus": templates.namespace, "nexus-runs": runs.namespace}
        await kubectl("apply", "-f", "-", fed=yaml.safe_dump_all(moved(documents, places)))
        yield Deployed(kubernetes_server, kubectl, templates, runs, tmp_path)


async def test_a_scheduler_reads_templates_says_what_it_makes_of_them_and_runs_jobs(
    deployed: Deployed,
) -> None:
    workgroup = a_workgroup_manifest(cluster="shard-0")
    await deployed.templates.create(workgroup)
    own = await deployed.kubeconfig_of("nexus-scheduler")
    with capture_logs() as logs:
        async with (
            connected_by(own) as connection,
            KubernetesCatalogue.open(
                connection, deployed.templates.namespace, ["shard-0"], SystemClock()
            ) as catalogue,
        ):
            await catalogue.ping()
            assert catalogue.workgroup("default")

            async def said() -> bool:
                return "Accepted" in str((await deployed.templates.read(workgroup)).get("status"))

            await until_so(said)
        async with tidy_cluster(own, deployed.runs.namespace) as cluster:
            await cluster.ping()
            shown = a_run_key()
            await cluster.create_job(shown, a_manifest(shown, FOR_EVER))
            await until_so(lambda: cluster.log(shown, 1024))
            for policy in CancellationPolicy:
                key = a_run_key()
                await cluster.create_job(key, a_manifest(key, FOR_EVER))
                assert await cluster.find_job(key)
                assert await cluster.delete_job(key, policy)

    assert [line for line in logs if line["log_level"] == "warning"] == []


async def test_a_supervisor_follows_jobs_and_settles_them(deployed: Deployed) -> None:
    own = await deployed.kubeconfig_of("nexus-supervisor")
    with capture_logs() as logs:
        async with (
            tidy_cluster(own, deployed.runs.namespace) as cluster,
            Witness(cluster) as witness,
        ):
            key = a_run_key()
            await cluster.create_job(key, a_manifest(key, FOR_EVER))
            await witness.sees(key, "Started")
            assert await cluster.log(key, 1024)
            assert [status.key async for status in cluster.jobs()] == [key]
            assert await cluster.delete_job(key)

    assert [line for line in logs if line["log_level"] == "warning"] == []


@pytest.mark.parametrize(
    ("account", "verb", "resource", "where"),
    [
        ("nexus-scheduler", "get", "secrets", "templates"),
        ("nexus-scheduler", "update", "nexusalgorithmtemplates", "templates"),
        ("nexus-scheduler", "create", "jobs", "templates"),
        ("nexus-scheduler", "delete", "pods", "runs"),
        ("nexus-supervisor", "list", "nexusalgorithmtemplates", "templates"),
        ("nexus-supervisor", "get", "secrets", "runs"),
        ("nexus-scheduler", "create", "pods/exec", "runs"),
        ("nexus-supervisor", "create", "pods/exec", "runs"),
        ("nexus-receiver", "list", "jobs", "runs"),
        ("nexus-receiver", "get", "pods/log", "runs"),
    ],
)
async def test_no_account_may_do_what_its_service_does_not(
    deployed: Deployed, account: str, verb: str, resource: str, where: str
) -> None:
    places = {"templates": deployed.templates.namespace, "runs": deployed.runs.namespace}

    assert not await deployed.may(account, verb, resource, places[where])
    # And that is no typing error of this test.
    assert await deployed.may("nexus-scheduler", "create", "jobs", deployed.runs.namespace)
