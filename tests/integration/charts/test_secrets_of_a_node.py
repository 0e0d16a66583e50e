"""A pod of the chart on a real node, without a secret that it names: Kubernetes says which."""

from typing import Any

import msgspec
import pytest

from support.custom_resources import told
from support.waiting import until_so
from support.watched_nexus import SCHEDULER, WatchedNexus
from tools.testbed.description import NodeDescription

pytestmark = [
    pytest.mark.integration,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("real node"),
    pytest.mark.timeout(300),
]

PATIENCE = 120.0
"""A kubelet tries to mount again after up to two minutes."""


class PodOfTheNode:
    """The pod that a Deployment of the chart makes, but for its program: no registry has the image.

    What it is given is the chart's: variables, volumes, account, users.
    """

    def __init__(self, nexus: WatchedNexus, name: str) -> None:
        self._connection = nexus.place.connection
        self._pods = f"/api/v1/namespaces/{nexus.home}/pods"
        self._events = f"/api/v1/namespaces/{nexus.home}/events"
        self._name = name

    async def create(self, spec: dict[str, Any], node: NodeDescription) -> None:
        (container,) = spec["containers"]
        for not_of_this_program in ("livenessProbe", "readinessProbe", "startupProbe", "ports"):
            container.pop(not_of_this_program, None)
        container |= {
            "image": node.image,
            "imagePullPolicy": "IfNotPresent",
            "command": ["sleep"],
            "args": ["600"],
        }
        spec |= {
            "nodeSelector": {node.label: node.name},
            "tolerations": [{"key": node.taint, "operator": "Exists"}],
            "topologySpreadConstraints": [],
            "terminationGracePeriodSeconds": 0,
        }
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": self._name}, "spec": spec}
        body = msgspec.json.encode(pod)
        told(await self._connection.request("POST", self._pods, body=body))

    async def delete(self) -> None:
        told(await self._connection.request("DELETE", f"{self._pods}/{self._name}"))

    async def waits(self, *words: str) -> None:
        """Wait until its container waits, or an event tells of it, in these words."""

        async def is_so() -> bool:
            found = told(await self._connection.request("GET", f"{self._pods}/{self._name}"))
            events = told(await self._connection.request("GET", self._events))["items"]
            own = [one for one in events if one["involvedObject"].get("name") == self._name]
            said = str(found["status"].get("containerStatuses", "")) + str(own)
            return all(word in said for word in words)

        await until_so(is_so, PATIENCE)

    async def runs(self) -> None:
        async def is_so() -> bool:
            found = told(await self._connection.request("GET", f"{self._pods}/{self._name}"))
            return bool(found["status"]["phase"] == "Running")

        await until_so(is_so, PATIENCE)


async def test_a_pod_without_a_secret_is_not_started_and_says_which_until_it_is_made(
    prepared: WatchedNexus, node_server: NodeDescription
) -> None:
    # Pods of that node use the network of the machine, which nobody else may.
    label = "pod-security.kubernetes.io/enforce=privileged"
    await prepared.place.kubectl("label", "namespace", prepared.home, label, "--overwrite")
    files = await prepared.take_secret("cassandra-tls")
    variables = await prepared.change_secret("s3", secret_access_key=None)
    pod = PodOfTheNode(prepared, "without-secrets")
    await pod.create(await prepared.spec_of(SCHEDULER), node_server)
    try:
        await pod.waits("FailedMount", 'secret "cassandra-tls" not found')
        await prepared.create_secret(files)
        await pod.waits("CreateContainerConfigError", "couldn't find key secret-access-key")
        await prepared.put_secret(variables)
        await pod.runs()
    finally:
        await pod.delete()
