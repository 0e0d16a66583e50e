"""What a catalogue writes to the status of its resources, in a real API server."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import yaml
from structlog.testing import capture_logs

from nexus_core.adapters.kubernetes.catalogue import KubernetesCatalogue
from nexus_core.adapters.kubernetes.connection import MERGE_PATCH, Connection
from support.clock import ManualClock
from support.custom_resources import Kubectl, Resources, connected_by, told
from support.manifests import a_template_manifest, a_workgroup_manifest
from support.waiting import until_so
from tools.testbed.description import KubernetesDescription

pytestmark = pytest.mark.integration

TEMPLATE = a_template_manifest()
WORKGROUP = a_workgroup_manifest(cluster="shard-0")
KEY = ("NexusAlgorithmTemplate", "hello-world")
# Beyond what the rules of the definitions tell.
UNSOUND = {"limits": {"memory": "9Ei"}}


class Scheduler:
    """A catalogue, and the clock that says when it writes."""

    def __init__(self, catalogue: KubernetesCatalogue, clock: ManualClock) -> None:
        self.catalogue = catalogue
        self.clock = clock

    async def has_heard(self, resource: dict[str, Any]) -> None:
        """Wait until its watch has brought a version."""
        version = resource["metadata"]["resourceVersion"]

        async def heard() -> bool:
            looked = self.catalogue._look(KEY)
            return looked is not None and looked[0].metadata.resource_version == version

        await until_so(heard)


@asynccontextmanager
async def a_scheduler(
    resources: Resources, clusters: Sequence[str] = ("shard-0",), by: Connection | None = None
) -> AsyncIterator[Scheduler]:
    clock = ManualClock()
    connection = by or resources.connection
    async with KubernetesCatalogue.open(
        connection, resources.namespace, clusters, clock
    ) as catalogue:
        yield Scheduler(catalogue, clock)


async def condition(resources: Resources, manifest: dict[str, Any]) -> dict[str, Any]:
    found = (await resources.read(manifest)).get("status", {}).get("conditions", [])
    return next((one for one in found if one["type"] == "Accepted"), {})


async def says(
    scheduler: Scheduler, resources: Resources, manifest: dict[str, Any], words: str
) -> dict[str, Any]:
    """Return the condition once it has these words; the clock goes on meanwhile."""

    async def said() -> bool:
        await scheduler.clock.advance(1)
        found = await condition(resources, manifest)
        return words in f"{found.get('reason')}: {found.get('message')}"

    await until_so(said)
    return await condition(resources, manifest)


async def test_says_of_each_resource_whether_it_can_be_used(resources: Resources) -> None:
    await resources.create(TEMPLATE)
    await resources.create(WORKGROUP)
    async with a_scheduler(resources) as scheduler:
        template = await says(scheduler, resources, TEMPLATE, "Accepted: Runs go to workgroup")
        workgroup = await says(scheduler, resources, WORKGROUP, "Accepted: Runs go to cluster")

    assert template["status"] == workgroup["status"] == "True"
    assert template["observedGeneration"] == 1
    assert template["lastTransitionTime"].startswith("2026-01-01T00:0")


async def test_names_the_field_of_an_unsound_change_and_forgets_it_when_mended(
    resources: Resources,
) -> None:
    await resources.create(WORKGROUP)
    await resources.create(TEMPLATE)
    async with a_scheduler(resources) as scheduler:
        sound = await says(scheduler, resources, TEMPLATE, "Accepted")
        await resources.change(TEMPLATE, computeResources=UNSOUND)
        unsound = await says(scheduler, resources, TEMPLATE, "Unsound")
        last = scheduler.catalogue.template("hello-world")
        await resources.change(TEMPLATE, computeResources={"limits": {"memory": "1Gi"}})
        mended = await says(scheduler, resources, TEMPLATE, "Accepted")

    assert unsound["message"].startswith("spec.computeResources.limits.memory: must be a quantity")
    assert (unsound["status"], unsound["observedGeneration"]) == ("False", 2)
    assert last
    assert last.spec.compute_resources
    assert last.spec.compute_resources.limits == {"cpu": "1", "memory": "128Mi"}
    assert mended["observedGeneration"] == 3
    assert (
        sound["lastTransitionTime"] < unsound["lastTransitionTime"] < mended["lastTransitionTime"]
    )


async def test_a_template_follows_its_workgroup(resources: Resources) -> None:
    await resources.create(TEMPLATE)
    async with a_scheduler(resources) as scheduler:
        await says(scheduler, resources, TEMPLATE, "UnknownWorkgroup: spec.workgroupRef.name: ")
        await resources.create(a_workgroup_manifest(cluster="shard-9"))
        await says(scheduler, resources, TEMPLATE, "UnknownCluster: spec.workgroupRef.name: ")
        await says(scheduler, resources, WORKGROUP, "UnknownCluster: spec.cluster: ")
        await resources.change(WORKGROUP, cluster="shard-0")
        await says(scheduler, resources, TEMPLATE, "Accepted: ")
        await resources.delete(WORKGROUP)
        await says(scheduler, resources, TEMPLATE, "UnknownWorkgroup: ")


async def test_kubectl_shows_it(resources: Resources, kubectl: Kubectl) -> None:
    await resources.create(WORKGROUP)
    async with a_scheduler(resources) as scheduler:
        await says(scheduler, resources, WORKGROUP, "Accepted")

    await kubectl("wait", "--for=condition=Accepted", "naw/default", "-n", resources.namespace)
    table = await kubectl("get", "naw", "-n", resources.namespace)
    assert table.splitlines()[1].split()[:3] == ["default", "shard-0", "True"]


async def test_what_others_say_stays(resources: Resources) -> None:
    created = await resources.create(WORKGROUP)
    # As the Go implementation's controller does: appended, though one of the type is there.
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "AlgorithmReady",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    await write_status(resources, created, {"conditions": [ready, ready]})
    async with a_scheduler(resources) as scheduler:
        await says(scheduler, resources, WORKGROUP, "Accepted")

    stored = await resources.read(WORKGROUP)
    assert stored["status"]["conditions"][:2] == [ready, ready]
    assert len(stored["status"]["conditions"]) == 3


async def write_status(
    resources: Resources, manifest: dict[str, Any], status: dict[str, Any]
) -> None:
    path = f"{resources.path(manifest)}/status"
    body = msgspec.json.encode({"status": status})
    told(await resources.connection.request("PATCH", path, body=body, content_type=MERGE_PATCH))


async def test_a_second_scheduler_writes_nothing_that_the_first_has_said(
    resources: Resources,
) -> None:
    await resources.create(WORKGROUP)
    await resources.create(TEMPLATE)
    async with a_scheduler(resources) as first, a_scheduler(resources) as second:
        await says(first, resources, TEMPLATE, "Accepted")
        written = await resources.read(TEMPLATE)
        await second.has_heard(written)
        # Another resource, which the second one alone sees to, comes after this one.
        other = a_template_manifest("later")
        await resources.create(other)
        await says(second, resources, other, "Accepted")

        assert await resources.read(TEMPLATE) == written


async def test_schedulers_that_disagree_each_say_so_once(resources: Resources) -> None:
    await resources.create(WORKGROUP)
    await resources.create(TEMPLATE)
    async with (
        a_scheduler(resources, ["shard-0"]) as near,
        a_scheduler(resources, ["shard-9"]) as far,
    ):
        await says(near, resources, TEMPLATE, "Accepted")
        await says(far, resources, TEMPLATE, "UnknownCluster")
        last = await resources.read(TEMPLATE)
        await near.has_heard(last)
        await far.has_heard(last)
        for number, scheduler in enumerate((near, far, near)):
            later = a_template_manifest(f"later-{number}", workgroupRef={})
            await resources.create(later)
            await says(scheduler, resources, later, "Accepted")

        assert await resources.read(TEMPLATE) == last


RIGHTS = """
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: readers, namespace: NAMESPACE}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: readers}
subjects: [{kind: ServiceAccount, name: stranger, namespace: DEPLOY}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: readers, namespace: NAMESPACE}
rules:
  - apiGroups: [science.sneaksanddata.com]
    resources: [nexusalgorithmtemplates, nexusalgorithmworkgroups]
    verbs: [get, list, watch]
"""
WRITING = """
  - apiGroups: [science.sneaksanddata.com]
    resources: [nexusalgorithmtemplates/status, nexusalgorithmworkgroups/status]
    verbs: [patch]
"""


def rights(resources: Resources, server: KubernetesDescription, more: str = "") -> str:
    text = RIGHTS.rstrip() + more
    text = text.replace("NAMESPACE", resources.namespace).replace("DEPLOY", server.deploy_namespace)
    assert list(yaml.safe_load_all(text))
    return text


async def test_who_may_not_write_reads_all_the_same_and_writes_once_it_may(
    resources: Resources, kubectl: Kubectl, kubernetes_server: KubernetesDescription
) -> None:
    await kubectl("apply", "-f", "-", fed=rights(resources, kubernetes_server))
    for number in range(3):
        await resources.create(a_template_manifest(f"t-{number}"))
    await resources.create(WORKGROUP)
    with capture_logs() as logs:
        async with (
            connected_by(kubernetes_server.denied_kubeconfig) as connection,
            a_scheduler(resources, by=connection) as scheduler,
        ):
            await scheduler.catalogue.ping()
            assert len(scheduler.catalogue.templates()) == 3

            async def told_of_both() -> bool:
                await scheduler.clock.advance(1)
                return len([line for line in logs if line["log_level"] == "warning"]) == 2

            await until_so(told_of_both)
            await kubectl("apply", "-f", "-", fed=rights(resources, kubernetes_server, WRITING))
            # It lists again by and by, and then tries what was refused.
            await scheduler.clock.advance(700)
            await resources.create(a_template_manifest("wakes-the-watch"))
            await resources.create(a_workgroup_manifest("wakes-the-watch", cluster="shard-0"))
            await says(scheduler, resources, a_template_manifest("t-2"), "Accepted")

    refusals = [line for line in logs if line["event"] == "condition not written"]
    assert {line["kind"] for line in refusals} == {
        "NexusAlgorithmTemplate",
        "NexusAlgorithmWorkgroup",
    }
    assert len(refusals) == 2
    assert 'cannot patch resource "nexusalgorithmtemplates/status"' in refusals[0]["error"]
