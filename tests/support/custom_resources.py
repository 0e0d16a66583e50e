"""Templates and workgroups in a real API server, each test's in a namespace of its own."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from nexus_core.adapters.kubernetes.answers import Answer
from nexus_core.adapters.kubernetes.connection import MERGE_PATCH, Connection
from nexus_core.adapters.kubernetes.kubeconfig import KubeconfigFile
from nexus_core.aio.clock import SystemClock
from nexus_core.domain.template import API_GROUP
from tools.testbed.description import KubernetesDescription

DEFINITIONS = Path("deploy/crds")
_APPLY_PATCH = "application/apply-patch+yaml"
COLLECTIONS = f"/apis/{API_GROUP}/v1/namespaces"


@asynccontextmanager
async def connected_by(kubeconfig: str | Path) -> AsyncIterator[Connection]:
    source = KubeconfigFile(Path(kubeconfig))
    async with Connection.open(source, SystemClock(), connections=8, patience=10) as connection:
        yield connection


class Kubectl:
    """The program, as an administrator runs it."""

    def __init__(self, program: str, kubeconfig: str | Path) -> None:
        self._command = (program, "--kubeconfig", str(kubeconfig))

    @classmethod
    def of(cls, server: KubernetesDescription) -> "Kubectl":
        return cls(server.kubectl, server.kubeconfig)

    async def __call__(self, *arguments: str, fed: str = "") -> str:
        """Return what it prints; what it complains of is an `AssertionError`."""
        code, printed, complaint = await self.run(*arguments, fed=fed)
        assert code == 0, complaint
        return printed

    async def run(self, *arguments: str, fed: str = "") -> tuple[int, str, str]:
        process = await asyncio.create_subprocess_exec(
            *self._command,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        printed, complaint = await process.communicate(fed.encode())
        return process.returncode or 0, printed.decode(), complaint.decode()

    async def install_definitions(self, folder: Path = DEFINITIONS) -> None:
        """Apply them, as often and by as many at once as it may be."""
        await self("apply", "--server-side", "--force-conflicts", "-f", str(folder))
        await self("wait", "--for=condition=Established", "--timeout=30s", "-f", str(folder))


class Resources:
    """The resources of one namespace, as people write and read them."""

    def __init__(self, connection: Connection, namespace: str) -> None:
        self.connection = connection
        self.namespace = namespace

    def path(self, manifest: dict[str, Any], *, of_one: bool = True) -> str:
        collection = f"{COLLECTIONS}/{self.namespace}/{manifest['kind'].lower()}s"
        return f"{collection}/{manifest['metadata']['name']}" if of_one else collection

    async def try_to_create(self, manifest: dict[str, Any], **params: str) -> Answer:
        """Do as `kubectl apply` does, which asks the server to refuse unknown fields."""
        return await self.connection.request(
            "POST",
            self.path(manifest, of_one=False),
            params={"fieldValidation": "Strict", **params},
            body=msgspec.json.encode(manifest),
        )

    async def create(self, manifest: dict[str, Any]) -> dict[str, Any]:
        return told(await self.try_to_create(manifest))

    async def apply(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """Create a resource, or make the one that is there like it."""
        return told(
            await self.connection.request(
                "PATCH",
                self.path(manifest),
                params={"fieldManager": "somebody", "force": "true"},
                body=msgspec.json.encode(manifest),
                content_type=_APPLY_PATCH,
            )
        )

    async def change(self, manifest: dict[str, Any], **changes: Any) -> dict[str, Any]:
        """Change fields of the spec of a resource that is there."""
        body = msgspec.json.encode({"spec": changes})
        path = self.path(manifest)
        return told(
            await self.connection.request("PATCH", path, body=body, content_type=MERGE_PATCH)
        )

    async def read(self, manifest: dict[str, Any]) -> dict[str, Any]:
        return told(await self.connection.request("GET", self.path(manifest)))

    async def delete(self, manifest: dict[str, Any]) -> None:
        told(await self.connection.request("DELETE", self.path(manifest)))


def told(answer: Answer) -> dict[str, Any]:
    """Return what an API server answered to what it did."""
    assert answer.ok, answer.refusal().message
    content: dict[str, Any] = msgspec.json.decode(answer.body)
    return content


@asynccontextmanager
async def own_namespace(connection: Connection) -> AsyncIterator[Resources]:
    """Make a namespace, and delete it at the end with all that is in it."""
    name = f"nexus-test-{secrets.token_hex(4)}"
    body = msgspec.json.encode(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    )
    told(await connection.request("POST", "/api/v1/namespaces", body=body))
    try:
        yield Resources(connection, name)
    finally:
        told(await connection.request("DELETE", f"/api/v1/namespaces/{name}"))


@asynccontextmanager
async def strict_namespace(connection: Connection) -> AsyncIterator[Resources]:
    """Give a namespace that admits only pods that want nothing of their node."""
    async with own_namespace(connection) as resources:
        label = {"pod-security.kubernetes.io/enforce": "restricted"}
        body = msgspec.json.encode({"metadata": {"labels": label}})
        path = f"/api/v1/namespaces/{resources.namespace}"
        told(await connection.request("PATCH", path, body=body, content_type=MERGE_PATCH))
        yield resources
