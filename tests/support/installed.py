"""Nexus as helm installed it: one release or two, whose services run as processes here."""

import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import yaml

from nexus_core.adapters.kubernetes.connection import Connection
from support.caller import PATIENCE, Caller, own_host
from support.charts import Helm, Object, Release, installed, merged, of_kind
from support.custom_resources import (
    Kubectl,
    connected_by,
    own_namespace,
    strict_namespace,
    told,
)
from support.deployment import Servers
from support.kubelet import Kubelet, StartedPod
from support.waiting import until_so
from tools.testbed.description import CassandraDescription
from tools.testbed.kubernetes import kubeconfig
from tools.testbed.kubernetes.kubeconfig import Endpoint

CLUSTER = "eu-1"
"""What workgroups call the cluster."""

# As short as it may be: nothing here mends itself, and Jobs fail when they are seconds old.
_HASTE = {
    "patience": {"image": "2s", "container": "2s"},
    "sweep": {"interval": "2s", "job-kept-for": "0s"},
}


class InstalledNexus(Caller):
    """A client of what is installed, who also sees the pods behind it."""

    def __init__(self, place: "Place", releases: list[Release]) -> None:
        urls = place.values()["urls"]
        super().__init__(urls["scheduler"], place.session)
        self.place = place
        self.releases = releases
        """The one with the scheduler is the first."""
        self._receiver = urls["receiver"]
        self.pods: dict[str, StartedPod] = {}

    async def start(self) -> None:
        """Start all pods, and wait until they are ready."""
        for release in self.releases:
            self.pods |= await self.place.start(release)

    async def complete(self, algorithm: str, request_id: str) -> None:
        """Report as the algorithm of a run would."""
        url = f"{self._receiver}/algorithm/v1/complete/{algorithm}/requests/{request_id}"
        async with self._session.post(url, json={}) as answer:
            assert answer.status == 202, await answer.text()


@dataclass(frozen=True)
class Place:
    """Where Nexus is installed, with what it stands on."""

    servers: Servers
    helm: Helm
    connection: Connection
    session: aiohttp.ClientSession
    kubelet: Kubelet
    runs_namespace: str

    @property
    def kubectl(self) -> Kubectl:
        """The program, as an administrator."""
        return Kubectl.of(self.servers.kubernetes)

    def values(self) -> dict[str, Any]:
        """Return what somebody with these servers puts on top of a preset."""
        cassandra, s3 = self.servers.cassandra, self.servers.s3
        files = {"ca": "ca.crt", "certificate": "tls.crt", "key": "tls.key"}
        address = self.kubelet.address
        return {
            "runtimeNamespace": self.runs_namespace,
            "urls": {"scheduler": f"http://{address}:8080", "receiver": f"http://{address}:8081"},
            "cassandra": {
                "hosts": [cassandra.host],
                "port": cassandra.tls_port,
                "localDc": cassandra.local_dc,
                "keyspace": self.servers.keyspace,
                "indexesSupported": True,
                "existingSecret": "cassandra",
                "tls": {"existingSecret": "cassandra-tls", "keys": files},
            },
            "s3": {
                "path": f"s3a://{s3.bucket}/{self.servers.keyspace}",
                "region": s3.region,
                "endpoint": s3.endpoint,
                "existingSecret": "s3",
            },
            "callback": {"existingSecret": "nexus-keys"},
            "signing": {"existingSecret": "nexus-keys"},
            "schema": {"createKeyspace": True, "replication": "1"},
            "supervisor": {"settings": _HASTE},
            "unreadyGraceSeconds": 0,
        }

    async def keep_secrets(self, namespace: str) -> None:
        """Make the secrets that the values name."""
        cassandra, s3 = self.servers.cassandra, self.servers.s3
        await self.keep_secret(
            namespace, "cassandra", {"user": cassandra.user, "password": cassandra.password}
        )
        await self.keep_secret(namespace, "cassandra-tls", _certificates(cassandra))
        keys = {"access-key-id": s3.access_key_id, "secret-access-key": s3.secret_access_key}
        await self.keep_secret(namespace, "s3", keys)
        own = {"callback-secret": "known to all three", "signing-secret": "signs all URLs"}
        await self.keep_secret(namespace, "nexus-keys", own)

    async def keep_secret(self, namespace: str, name: str, content: Mapping[str, str]) -> None:
        """Make a secret."""
        data = {key: base64.b64encode(text.encode()).decode() for key, text in content.items()}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}
        path, body = f"/api/v1/namespaces/{namespace}/secrets", msgspec.json.encode(secret)
        told(await self.connection.request("POST", path, body=body))

    async def objects_of(self, release: Release, what: str) -> list[Object]:
        """Return the `manifest` of a release, or its `hooks`."""
        printed = await self.helm("get", what, release.name, f"--namespace={release.namespace}")
        return [one for one in yaml.safe_load_all(printed) if one]

    async def apply_schema(self, release: Release) -> StartedPod:
        """Do in earnest what the simulated node only said it did: run the Job of the hook."""
        hooks = await self.objects_of(release, "hooks")
        brought = [one for one in hooks if one["kind"] in {"ServiceAccount", "ConfigMap"}]
        await self.kubectl(
            "apply", f"--namespace={release.namespace}", "-f", "-", fed=yaml.safe_dump_all(brought)
        )
        (job,) = of_kind(hooks, "Job").values()
        name, pod = job["metadata"]["name"], job["spec"]["template"]["spec"]
        return await self.kubelet.start(name, release.namespace, pod)

    async def start(self, release: Release) -> dict[str, StartedPod]:
        """Start the pods of a release, and wait until they are ready."""
        pods = await self.begin(release)
        for pod in pods.values():
            await pod.ready(self.session)
        return pods

    async def begin(self, release: Release) -> dict[str, StartedPod]:
        """Start the pods of a release as the API server has their Deployments."""
        path = f"/apis/apps/v1/namespaces/{release.namespace}/deployments"
        deployments = told(await self.connection.request("GET", path))["items"]
        return {
            deployment["metadata"]["name"]: await self.kubelet.start(
                deployment["metadata"]["name"],
                release.namespace,
                deployment["spec"]["template"]["spec"],
            )
            for deployment in deployments
        }


def _certificates(cassandra: CassandraDescription) -> dict[str, str]:
    files = {
        "ca.crt": cassandra.ca,
        "tls.crt": cassandra.client_certificate,
        "tls.key": cassandra.client_key,
    }
    return {key: Path(file).read_text("utf-8") for key, file in files.items()}


@asynccontextmanager
async def a_place(servers: Servers, helm: Helm, folder: Path) -> AsyncIterator[Place]:
    """Give a place with a namespace for runs; at its end all of it is gone."""
    async with AsyncExitStack() as stack:
        connection = await stack.enter_async_context(connected_by(servers.kubernetes.kubeconfig))
        timeout = aiohttp.ClientTimeout(total=PATIENCE)
        session = await stack.enter_async_context(aiohttp.ClientSession(timeout=timeout))
        runs = await stack.enter_async_context(own_namespace(connection))
        kubelet = Kubelet(connection, servers.kubernetes.endpoint, own_host(), folder)
        stack.push_async_callback(kubelet.end)
        yield Place(servers, helm, connection, session, kubelet, runs.namespace)


async def shard_kubeconfig(place: Place, shard: Release) -> str:
    """Return the kubeconfig of a shard, made as the notes of its release say."""
    path = f"/api/v1/namespaces/{shard.namespace}/secrets/{shard.name}-controller-token"
    token = ""

    async def is_filled() -> str:
        nonlocal token
        found = told(await place.connection.request("GET", path))
        token = base64.b64decode(found.get("data", {}).get("token", "")).decode()
        return token

    await until_so(is_filled)
    endpoint = Endpoint(place.servers.kubernetes.endpoint, Path(place.servers.kubernetes.ca))
    return kubeconfig.with_token(endpoint, token, cluster=CLUSTER, namespace="default")


@asynccontextmanager
async def in_one_cluster(place: Place) -> AsyncIterator[InstalledNexus]:
    """Install all of Nexus as one release."""
    async with strict_namespace(place.connection) as home:
        await place.keep_secrets(home.namespace)
        values = merged(place.values(), {"cluster": {"name": CLUSTER}})
        release = Release("nexus", home.namespace, ("single-cluster",), values)
        async with installed(place.helm, release):
            yield InstalledNexus(place, [release])


@asynccontextmanager
async def in_two_clusters(place: Place) -> AsyncIterator[InstalledNexus]:
    """Install a controller and a shard. Both are in one cluster here, and don't know it."""
    async with (
        strict_namespace(place.connection) as home,
        strict_namespace(place.connection) as far,
    ):
        await place.keep_secrets(home.namespace)
        await place.keep_secrets(far.namespace)
        own = {"cluster": {"name": CLUSTER}, "controllerAccess": {"token": True}}
        shard = Release("nexus", far.namespace, ("shard",), merged(place.values(), own))
        async with installed(place.helm, shard):
            file = {f"{CLUSTER}.kubeconfig": await shard_kubeconfig(place, shard)}
            await place.keep_secret(home.namespace, "shards", file)
            others = {"cluster": {"shards": {"existingSecret": "shards"}}}
            values = merged(place.values(), others)
            controller = Release("nexus", home.namespace, ("controller",), values)
            async with installed(place.helm, controller):
                yield InstalledNexus(place, [controller, shard])
