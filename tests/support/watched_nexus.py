"""Nexus as helm installed it, on bad days: what is taken away from it, and what its pods say."""

import base64
import secrets
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass

import msgspec
from aiobotocore.session import get_session
from types_aiobotocore_s3 import S3Client

from nexus_core.adapters.cassandra.connect import DriverName, open_session
from support.algorithms import Algorithms
from support.cassandra import LIMITS, plan_of
from support.charts import NEXUS, Object
from support.custom_resources import Resources, told
from support.installed import CLUSTER, InstalledNexus, Place
from support.kubelet import StartedPod
from support.watched_service import WatchedService
from tools.testbed.description import S3Description
from tools.testbed.kubernetes.outcomes import Outcome
from tools.testbed.s3.accounts import REGION

SCHEDULER, RECEIVER, SUPERVISOR = "nexus-scheduler", "nexus-receiver", "nexus-supervisor"
SERVICES = (SCHEDULER, RECEIVER, SUPERVISOR)

_RBAC = "/apis/rbac.authorization.k8s.io/v1"

Troubles = dict[str, list[str]]
"""What is to be said of each part that is not ready."""


@dataclass
class WatchedNexus:
    """Nexus as it is installed in one cluster, whose pods are watched."""

    nexus: InstalledNexus

    @property
    def place(self) -> Place:
        return self.nexus.place

    @property
    def home(self) -> str:
        return self.nexus.releases[0].namespace

    async def begin(self) -> None:
        """Start all pods."""
        self.nexus.pods = {name: await self.begin_one(name) for name in SERVICES}

    async def end(self) -> None:
        """Tell all pods to end, as a kubelet does."""
        for pod in self.nexus.pods.values():
            assert await pod.stop() == 0, pod.log.read_text()
        self.nexus.pods = {}

    async def prepare(self) -> None:
        """Make all that pods need, as far as it is not there."""
        schema = await self.apply_schema()
        assert await schema.ends() == 0, schema.log.read_text()
        await make_bucket(self.place.servers.s3)
        await self.helm_upgrade()

    async def begin_one(self, name: str) -> StartedPod:
        """Start a pod, as often as a kubelet does with one that ends."""
        return await self.place.kubelet.start(name, self.home, await self.spec_of(name))

    async def spec_of(self, name: str) -> Object:
        """Return the spec of the pods of a Deployment."""
        deployment = await self._get("/apis/apps/v1", "deployments", name)
        spec: Object = deployment["spec"]["template"]["spec"]
        return spec

    async def apply_schema(self) -> StartedPod:
        """Run the Job of the hook."""
        return await self.place.apply_schema(self.nexus.releases[0])

    async def all_come_to_say(self, expected: Mapping[str, Troubles]) -> None:
        """Wait until each pod says what is expected of it, and nothing else; none has ended."""
        for name in SERVICES:
            await self.say(self.nexus.pods[name], expected.get(name, {}))

    async def say(self, pod: StartedPod, expected: Troubles) -> None:
        await watched(pod).comes_to_say(expected, self.place.session)

    async def helm_upgrade(self) -> None:
        """Give back what the release has, and somebody took away."""
        await self.place.helm(
            "upgrade", "nexus", NEXUS, f"--namespace={self.home}", "--reset-then-reuse-values"
        )

    async def change_secret(self, name: str, **changes: str | None) -> Object:
        """Change keys of a secret, with `_` for what is no letter; None removes one.

        Returns the secret as it was.
        """
        before = await self._get("/api/v1", "secrets", name)
        keys = {key.replace("-", "_").replace(".", "_"): key for key in before["data"]}
        changed = {
            keys[key]: None if text is None else base64.b64encode(text.encode()).decode()
            for key, text in changes.items()
        }
        data = {k: text for k, text in (before["data"] | changed).items() if text is not None}
        await self.put_secret({**before, "data": data})
        return before

    async def take_secret(self, name: str) -> Object:
        """Delete a secret; return it as it was."""
        before = await self._get("/api/v1", "secrets", name)
        path = f"/api/v1/namespaces/{self.home}/secrets/{name}"
        told(await self.place.connection.request("DELETE", path))
        return before

    async def create_secret(self, secret: Object) -> None:
        """Make a secret that is not there."""
        metadata = {"name": secret["metadata"]["name"]}
        body = msgspec.json.encode({**secret, "metadata": metadata})
        path = f"/api/v1/namespaces/{self.home}/secrets"
        told(await self.place.connection.request("POST", path, body=body))

    async def put_secret(self, secret: Object) -> None:
        """Write a secret, whatever became of it meanwhile."""
        path = f"/api/v1/namespaces/{self.home}/secrets/{secret['metadata']['name']}"
        metadata = {key: secret["metadata"][key] for key in ("name", "namespace")}
        body = msgspec.json.encode({**secret, "metadata": metadata})
        told(await self.place.connection.request("PUT", path, body=body))

    async def rules(self, role: str) -> list[Object]:
        """Return what a role grants where runs are."""
        found: list[Object] = (await self._role(role))["rules"]
        return found

    async def change_role(self, name: str, rules: list[Object]) -> None:
        """Let a role grant something else where runs are."""
        role = await self._role(name)
        path = f"{_RBAC}/namespaces/{self.place.runs_namespace}/roles/{name}"
        body = msgspec.json.encode({**role, "rules": rules})
        told(await self.place.connection.request("PUT", path, body=body))

    async def _role(self, name: str) -> Object:
        return await self._get(_RBAC, "roles", name, self.place.runs_namespace)

    async def _get(self, group: str, kind: str, name: str, namespace: str = "") -> Object:
        path = f"{group}/namespaces/{namespace or self.home}/{kind}/{name}"
        return told(await self.place.connection.request("GET", path))

    async def runs_to_its_end(self) -> None:
        """Take a run to its end, as whoever is told `ready` may expect."""
        templates = Resources(self.place.connection, self.home)
        runs = self.place.runs_namespace
        algorithms = Algorithms(templates, runs, secrets.token_hex(4))
        name = await algorithms.publish(Outcome.FAILS, cluster=CLUSTER)
        await self.nexus.learns(name)
        request_id = await self.nexus.submit(name, {"algorithmParameters": {}})
        result = await self.nexus.finished(name, request_id)
        assert result["status"] == "DEADLINE_EXCEEDED"
        await algorithms.withdraw()


def watched(pod: StartedPod) -> WatchedService:
    return WatchedService(pod.process, pod.readiness.removesuffix("/readyz"), pod.log)


def _client(s3: S3Description) -> AbstractAsyncContextManager[S3Client]:
    return get_session().create_client(
        "s3",
        endpoint_url=s3.endpoint,
        region_name=s3.region,
        aws_access_key_id=s3.access_key_id,
        aws_secret_access_key=s3.secret_access_key,
    )


async def make_bucket(s3: S3Description) -> None:
    """Make the bucket, unless it is there."""
    async with _client(s3) as client:
        with suppress(client.exceptions.BucketAlreadyOwnedByYou):
            await client.create_bucket(
                Bucket=s3.bucket, CreateBucketConfiguration={"LocationConstraint": REGION}
            )


async def drop_bucket(s3: S3Description) -> None:
    """Delete the bucket with all that is in it."""
    async with _client(s3) as client:
        async for page in client.get_paginator("list_objects_v2").paginate(Bucket=s3.bucket):
            for found in page.get("Contents", []):
                await client.delete_object(Bucket=s3.bucket, Key=found["Key"])
        await client.delete_bucket(Bucket=s3.bucket)


async def change_schema(place: Place, statement: str) -> None:
    plan = plan_of(place.servers.cassandra, place.servers.keyspace)
    async with open_session(plan, LIMITS, DriverName.ACSYLLA) as session:
        await session.define(statement)
