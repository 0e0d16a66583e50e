"""The cluster of the world on real servers, as its administrator sees it."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from chaos import templates
from chaos.orders import Kind
from chaos.pods import Pod
from chaos.world import LiveJob
from nexus_core.adapters.kubernetes.answers import Answer
from nexus_core.adapters.kubernetes.connection import MERGE_PATCH, Connection
from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.job_manifest import COMPONENT_LABEL, RUN_COMPONENT, TEMPLATE_NAME_LABEL
from nexus_core.domain.names import RunKey
from nexus_core.domain.template import API_GROUP
from support.custom_resources import Kubectl, connected_by, told
from tools.testbed.description import KubernetesDescription
from tools.testbed.kubernetes.furniture import binding
from tools.testbed.kubernetes.outcomes import OUTCOME, Outcome

CLUSTER = "shard-0"
"""What workgroups call it."""

_SELECTOR = f"{COMPONENT_LABEL}={RUN_COMPONENT}"
_SILENCE = 60.0
_PAUSE = 0.2


class Shard:
    """A namespace of its own, in which are templates, Jobs and pods of one trial."""

    def __init__(self, connection: Connection, namespace: str) -> None:
        self._connection = connection
        self.namespace = namespace
        self._jobs_path = f"/apis/batch/v1/namespaces/{namespace}/jobs"
        self._pods_path = f"/api/v1/namespaces/{namespace}/pods"

    @classmethod
    @asynccontextmanager
    async def open(cls, server: KubernetesDescription, namespace: str) -> AsyncIterator["Shard"]:
        """Make the namespace, in which services may do what they need; delete it at the end."""
        await Kubectl.of(server).install_definitions()
        async with connected_by(server.kubeconfig) as connection:
            shard = cls(connection, namespace)
            await shard._create("/api/v1/namespaces", "v1", "Namespace", {"name": namespace})
            rights = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings"
            told(await connection.request("POST", rights, body=json.dumps(binding()).encode()))
            try:
                yield shard
            finally:
                await connection.request("DELETE", f"/api/v1/namespaces/{namespace}")

    async def publish(self, kinds: Sequence[Kind]) -> None:
        """Publish the algorithms of a load, whose pods do as they are told while they run."""
        path = f"/apis/{API_GROUP}/v1/namespaces/{self.namespace}"
        for manifest in (
            templates.workgroup(CLUSTER),
            *(
                templates.template(kind, "compute", {}, {OUTCOME: _outcome_of(kind)})
                for kind in kinds
            ),
        ):
            body = json.dumps(manifest).encode()
            collection = f"{path}/{manifest['kind'].lower()}s"
            told(await self._connection.request("POST", collection, body=body))

    async def delete_job(self, run: RunKey) -> None:
        """Delete the Job of a run, as `kubectl` does."""
        options = (
            b'{"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}'
        )
        path = f"{self._jobs_path}/{run.request_id}"
        await self._insist("DELETE", path, body=options)

    async def end_pod(self, name: str, annotations: Mapping[str, str]) -> None:
        """Let a pod end as these annotations say; one that is gone is no matter."""
        patch = {"metadata": {"annotations": dict(annotations)}}
        await self._insist(
            "PATCH",
            f"{self._pods_path}/{name}",
            body=json.dumps(patch).encode(),
            content_type=MERGE_PATCH,
        )

    async def jobs(self) -> Sequence[LiveJob]:
        """Return all Jobs that nobody has deleted."""
        listed = told(await self._insist("GET", self._jobs_path))
        return [
            LiveJob(
                run=_run_of(job),
                uid=job["metadata"]["uid"],
                active=not any(
                    condition["type"] in {"Complete", "Failed"} and condition["status"] == "True"
                    for condition in job.get("status", {}).get("conditions", ())
                ),
            )
            for job in listed["items"]
            if "deletionTimestamp" not in job["metadata"]
        ]

    async def pods(self) -> AsyncIterator[Pod]:
        """Follow all pods of runs, those that are being deleted included; for ever."""
        while True:
            listed = told(
                await self._insist("GET", self._pods_path, params={"labelSelector": _SELECTOR})
            )
            for item in listed["items"]:
                yield _pod(item)
            try:
                async for pod in self._watched(listed["metadata"]["resourceVersion"]):
                    yield pod
            except UnavailableError:
                await asyncio.sleep(_PAUSE)

    async def _watched(self, version: str) -> AsyncIterator[Pod]:
        params = {"labelSelector": _SELECTOR, "watch": "1", "resourceVersion": version}
        async with self._connection.stream(self._pods_path, params, _SILENCE) as stream:
            async for line in stream.lines():
                event = json.loads(line)
                if event["type"] == "ERROR":
                    return  # it has forgotten that version: all is listed anew
                yield _pod(event["object"], deleted=event["type"] == "DELETED")

    async def _create(self, path: str, version: str, kind: str, metadata: dict[str, Any]) -> None:
        body = {"apiVersion": version, "kind": kind, "metadata": metadata}
        told(await self._connection.request("POST", path, body=json.dumps(body).encode()))

    async def _insist(self, method: str, path: str, **how: Any) -> Answer:
        """Ask until there is an answer; the server is busy, and may be killed."""
        while True:
            try:
                answer = await self._connection.request(method, path, **how)
            except UnavailableError:
                await asyncio.sleep(_PAUSE)
            else:
                return answer


def _outcome_of(kind: Kind) -> Outcome:
    """Return what its pods do by themselves; the rest, whoever computes in them says."""
    return Outcome.CONFIG_MISSING if kind is Kind.DOES_NOT_START else Outcome.RUNS


def _run_of(manifest: dict[str, Any]) -> RunKey:
    """Return the run of a Job or of a pod, whose one container is named like it."""
    algorithm = manifest["metadata"]["labels"][TEMPLATE_NAME_LABEL]
    spec = manifest["spec"].get("template", manifest)["spec"]
    return RunKey(algorithm, spec["containers"][0]["name"])


def _pod(manifest: dict[str, Any], *, deleted: bool = False) -> Pod:
    metadata, status = manifest["metadata"], manifest.get("status", {})
    (container,) = manifest["spec"]["containers"]
    return Pod(
        name=metadata["name"],
        uid=metadata["uid"],
        run=_run_of(manifest),
        job_uid=next(_owners(metadata), ""),
        environment={each["name"]: each.get("value", "") for each in container["env"]},
        running=not deleted
        and "deletionTimestamp" not in metadata
        and status.get("phase") == "Running",
    )


def _owners(metadata: dict[str, Any]) -> Iterator[str]:
    return (owner["uid"] for owner in metadata.get("ownerReferences", ()))
