"""Templates in a real API server, whose pods do as the test says, and the Jobs made of them."""

import asyncio
from typing import Any

from nexus_core.domain.names import RunKey
from nexus_core.domain.template import API_GROUP
from support.caller import PATIENCE
from support.custom_resources import Resources, told
from tools.testbed.kubernetes.outcomes import DURATION, OUTCOME, Outcome


class Algorithms:
    """What a test publishes, by names that no other test uses."""

    def __init__(self, resources: Resources, runs_namespace: str, suffix: str) -> None:
        self._resources = resources
        self._runs_namespace = runs_namespace
        self._suffix = suffix
        self._published: list[dict[str, Any]] = []
        self._named: set[str] = set()

    async def publish(
        self,
        outcome: Outcome,
        duration: str = "200ms",
        cluster: str = "shard-0",
        payloads: dict[str, str] | None = None,
        **runtime_environment: Any,
    ) -> str:
        """Publish an algorithm whose pods end in some way; return its name.

        `payloads` is its `payloadConfiguration`.
        """
        workgroup = await self._workgroup(cluster)
        name = f"{outcome}-{len(self._published)}-{self._suffix}"
        annotations = {OUTCOME: outcome.value, DURATION: duration}
        await self._publish(
            "NexusAlgorithmTemplate",
            name,
            {
                "container": {"registry": "registry.test", "image": name, "versionTag": "1"},
                "command": "python3 main.py",
                "args": ["--sas-uri=%s", "--request-id=%s"],
                "computeResources": {"limits": {"cpu": "100m", "memory": "64Mi"}},
                "workgroupRef": {
                    "name": workgroup,
                    "group": API_GROUP,
                    "kind": "NexusAlgorithmWorkgroup",
                },
                "payloadConfiguration": payloads or {},
                "runtimeEnvironment": {
                    "deadlineSeconds": 300,
                    "maximumRetries": 0,
                    "annotations": annotations,
                    **runtime_environment,
                },
            },
        )
        return name

    async def job(self, key: RunKey) -> dict[str, Any]:
        """Return the Job of a run as the API server has it; wait until there is one."""
        async with asyncio.timeout(PATIENCE):
            while (found := await self.find_job(key)) is None:  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.05)
        return found

    async def gone(self, key: RunKey) -> None:
        """Wait until there is no Job of a run any more."""
        async with asyncio.timeout(PATIENCE):
            while await self.find_job(key) is not None:  # noqa: ASYNC110 - likewise
                await asyncio.sleep(0.05)

    async def find_job(self, key: RunKey) -> dict[str, Any] | None:
        path = f"/apis/batch/v1/namespaces/{self._runs_namespace}/jobs/{key.request_id}"
        answer = await self._resources.connection.request("GET", path)
        if answer.status == 404:
            return None
        return told(answer)

    async def pods_started(self, key: RunKey) -> set[str]:
        """Return the uids of the Jobs that the pods of a run, as far as there are any, are of."""
        path = f"/api/v1/namespaces/{self._runs_namespace}/pods"
        selector = {"labelSelector": f"batch.kubernetes.io/job-name={key.request_id}"}
        pods = told(await self._resources.connection.request("GET", path, params=selector))
        return {pod["metadata"]["ownerReferences"][0]["uid"] for pod in pods["items"]}

    async def withdraw(self) -> None:
        """Delete all that was published."""
        for manifest in self._published:
            await self._resources.delete(manifest)

    async def _workgroup(self, cluster: str) -> str:
        name = f"{cluster}-{self._suffix}"
        if name not in self._named:
            self._named.add(name)
            await self._publish("NexusAlgorithmWorkgroup", name, {"cluster": cluster})
        return name

    async def _publish(self, kind: str, name: str, spec: dict[str, Any]) -> None:
        manifest = {
            "apiVersion": f"{API_GROUP}/v1",
            "kind": kind,
            "metadata": {"name": name},
            "spec": spec,
        }
        await self._resources.create(manifest)
        self._published.append(manifest)


def environment_of(job: dict[str, Any]) -> dict[str, str]:
    """Return the environment of a Job's container."""
    (container,) = job["spec"]["template"]["spec"]["containers"]
    return {variable["name"]: variable.get("value", "") for variable in container["env"]}
