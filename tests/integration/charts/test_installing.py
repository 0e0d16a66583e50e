"""Releases in a real API server: what it takes, what an upgrade changes, what is left of them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from support.caller import REPOSITORY, inherited_environment
from support.chart_values import EVERYTHING, OWN, STORES
from support.charts import NEXUS, PRESETS, Helm, Release, installed, merged
from support.custom_resources import Kubectl, Resources, connected_by, strict_namespace, told
from tools.testbed.description import KubernetesDescription

# Hooks wait for a Job of the cluster's, and its controller may have many others.
pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

KINDS = (
    "configmaps,deployments,horizontalpodautoscalers,jobs,networkpolicies,poddisruptionbudgets,"
    "rolebindings,roles,secrets,serviceaccounts,services"
)
MADE_BY_THE_CLUSTER = {"configmap/kube-root-ca.crt", "serviceaccount/default"}


@pytest.fixture
def helm(helm_program: Path, kubernetes_server: KubernetesDescription, tmp_path: Path) -> Helm:
    return Helm(helm_program, tmp_path, Path(kubernetes_server.kubeconfig))


@pytest.fixture
def kubectl(kubernetes_server: KubernetesDescription) -> Kubectl:
    return Kubectl.of(kubernetes_server)


@pytest.fixture
async def home(kubernetes_server: KubernetesDescription) -> AsyncIterator[Resources]:
    async with (
        connected_by(kubernetes_server.kubeconfig) as connection,
        strict_namespace(connection) as resources,
    ):
        yield resources


async def left_in(namespace: str, kubectl: Kubectl) -> set[str]:
    printed = await kubectl("get", KINDS, "-n", namespace, "-o", "name")
    names = {line.replace(".apps", "").replace(".batch", "") for line in printed.split()}
    return {name for name in names if "helm.release" not in name} - MADE_BY_THE_CLUSTER


async def test_an_api_server_takes_all_that_can_be_rendered(
    helm: Helm, home: Resources, kubectl: Kubectl, operator_definitions: Path
) -> None:
    await kubectl.install_definitions(operator_definitions)
    own = {"runtimeNamespace": "", "templatesNamespace": ""}
    objects = await helm.render(merged(EVERYTHING, own), namespace=home.namespace)

    apply = ("apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-")
    said = await kubectl(*apply, fed=yaml.safe_dump_all(objects))

    assert said.count("serverside-applied") == len(objects)


@pytest.mark.parametrize("preset", PRESETS)
async def test_a_preset_is_installed_its_pods_are_admitted_and_nothing_is_left_of_it(
    helm: Helm, home: Resources, kubectl: Kubectl, preset: str
) -> None:
    release = Release("nexus", home.namespace, (preset,), OWN[preset])
    async with installed(helm, release):
        path = f"/apis/apps/v1/namespaces/{home.namespace}/deployments"
        deployments = told(await home.connection.request("GET", path))["items"]
        for deployment in deployments:
            pod = {"apiVersion": "v1", "kind": "Pod", **deployment["spec"]["template"]}
            pod["metadata"] |= {"generateName": "nexus-", "namespace": home.namespace}
            await admitted(home, pod)
        assert deployments
        # What hooks need goes with them.
        assert not [name for name in await left_in(home.namespace, kubectl) if "schema" in name]

    assert await left_in(home.namespace, kubectl) == set()


async def admitted(home: Resources, pod: dict[str, Any]) -> None:
    path = f"/api/v1/namespaces/{home.namespace}/pods"
    params = {"dryRun": "All", "fieldValidation": "Strict"}
    body = msgspec.json.encode(pod)
    told(await home.connection.request("POST", path, params=params, body=body))


async def test_a_release_goes_on_to_other_values_and_back(
    helm: Helm, home: Resources, kubectl: Kubectl
) -> None:
    namespace = f"--namespace={home.namespace}"
    release = Release("nexus", home.namespace, ("single-cluster",), STORES)

    async def replicas() -> str:
        path = "jsonpath={.spec.replicas}"
        return await kubectl("get", "deployment", "nexus-receiver", namespace, "-o", path)

    async with installed(helm, release):
        assert await replicas() == "2"

        changed = yaml.safe_dump({"receiver": {"replicas": 4}})
        upgrade = ("upgrade", "nexus", NEXUS, namespace, "--reset-then-reuse-values", "--values=-")
        await helm(*upgrade, fed=changed)
        assert await replicas() == "4"

        await helm("rollback", "nexus", "1", namespace)
        assert await replicas() == "2"


async def noted(helm: Helm, home: Resources, preset: str, values: dict[str, Any]) -> str:
    printed = await helm(
        "install",
        "nexus",
        NEXUS,
        f"--namespace={home.namespace}",
        "--dry-run=server",
        f"--values={PRESETS[preset]}",
        "--values=-",
        fed=yaml.safe_dump(values),
    )
    return printed.partition("NOTES:")[2]


async def test_notes_say_the_next_command(helm: Helm, home: Resources) -> None:
    for preset, says in {
        "single-cluster": "kubectl apply --namespace {} --filename -",
        "controller": "kubectl apply --namespace {} --filename -",
        "shard": "kubectl --namespace {} create token nexus-controller",
    }.items():
        assert says.format(home.namespace) in await noted(helm, home, preset, OWN[preset])


async def test_what_notes_say_to_publish_is_published_and_its_image_is_there(
    helm: Helm, home: Resources, kubectl: Kubectl, kubernetes_server: KubernetesDescription
) -> None:
    await kubectl.install_definitions()
    values = {**STORES, "image": {"registry": "registry.test:5000/nexus/", "tag": "1.10"}}
    said = await noted(helm, home, "single-cluster", values)
    # Up to where it asks the services, which don't run here.
    commands = said[
        said.index("  sed ") : said.index("  kubectl --namespace", said.index("  sed "))
    ]

    environ = inherited_environment()
    programs = f"{Path(kubernetes_server.kubectl).parent}:{environ['PATH']}"
    shell = await asyncio.create_subprocess_exec(
        *("bash", "-euo", "pipefail", "-c", commands),
        env={**environ, "PATH": programs, "KUBECONFIG": kubernetes_server.kubeconfig},
        cwd=REPOSITORY,
    )

    assert await shell.wait() == 0
    get = ("get", "-n", home.namespace, "-o", "jsonpath={.spec}")
    container = msgspec.json.decode(await kubectl(*get, "nat", "hello-world"))["container"]
    assert container == {
        "registry": "registry.test:5000/nexus",
        "image": "nexus-standalone",
        "versionTag": "1.10",
    }
    assert msgspec.json.decode(await kubectl(*get, "naw", "default"))["cluster"] == "main"


async def test_notes_say_how_the_schema_is_finished_where_services_used_the_keyspace_before(
    helm: Helm, home: Resources
) -> None:
    in_use = {**STORES, "schema": {"keyspaceInUse": True}}
    finish = (
        f"kubectl --namespace {home.namespace} exec deployment/nexus-scheduler -- "
        "nexus-schema apply --phase post"
    )

    assert finish not in await noted(helm, home, "single-cluster", STORES)
    assert finish in await noted(helm, home, "single-cluster", in_use)
