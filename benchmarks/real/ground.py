"""The ground of a measurement: a keyspace, a namespace and a prefix that nobody else uses."""

import asyncio
import os
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import psutil
import yaml
from aiobotocore.session import get_session

from benchmarks.workload import CATALOGUE
from nexus_core.adapters.cassandra.connect import DriverName, open_session
from nexus_core.adapters.cassandra.driver_session import Limits
from nexus_core.adapters.cassandra.plan import Login, Plan
from nexus_core.adapters.kubernetes.connection import Connection
from nexus_core.adapters.kubernetes.kubeconfig import KubeconfigFile
from nexus_core.aio.clock import SystemClock
from tools.testbed.description import (
    CassandraDescription,
    Description,
    KubernetesDescription,
    S3Description,
)
from tools.testbed.errors import TestbedError
from tools.testbed.kubernetes.furniture import binding
from tools.testbed.kubernetes.kubeconfig import write
from tools.testbed.nexus import settings_for

CLUSTER = "standalone"
"""What the workgroup of the examples calls its cluster."""

_DEFINITIONS = "deploy/crds"

_PATIENCE = 60.0


@dataclass(frozen=True, kw_only=True)
class Ground:
    """Where services and bare clients work."""

    description: Description
    cassandra: CassandraDescription
    s3: S3Description
    kubernetes: KubernetesDescription
    name: str
    """Of the keyspace, and of the prefix in the bucket."""
    namespace: str
    """Where Jobs go."""
    folder: Path
    """For what services keep in files."""

    @property
    def jobs_path(self) -> str:
        """Path of the Jobs in the API server."""
        return f"/apis/batch/v1/namespaces/{self.namespace}/jobs"

    def environment(self, **settings: str) -> dict[str, str]:
        """Return the environment of a service: settings are named without their `NEXUS__`."""
        others = {name: value for name, value in os.environ.items() if not name.startswith("NEXUS")}
        own = {
            "RUNTIME_NAMESPACE": self.namespace,
            "DEPLOY_NAMESPACE": self.namespace,
            "SHARD_KUBE_CONFIG_PATH": str(self.kubeconfig.parent),
            "DATA_PATH": str(self.folder),
            "LOG_LEVEL": "warning",
            **settings,
        }
        return {
            **others,
            **settings_for(self.description, self.name),
            **{f"NEXUS__{name}": value for name, value in own.items()},
        }

    @property
    def kubeconfig(self) -> Path:
        """The file that leads schedulers to the cluster."""
        return self.folder / "shards" / f"{CLUSTER}.kubeconfig"

    def plan(self, keyspace: str = "") -> Plan:
        """Return the way into Cassandra."""
        return Plan(
            name="Cassandra of the testbed",
            hosts=(self.cassandra.host,),
            port=self.cassandra.port,
            login=Login(self.cassandra.user, self.cassandra.password),
            local_dc=self.cassandra.local_dc,
            keyspace=keyspace,
        )


@asynccontextmanager
async def open_ground(description: Description) -> AsyncIterator[Ground]:
    """Make all of it, and remove it at the end.

    Raises:
        TestbedError: a server of the testbed does not run.
    """
    settings_for(description, "")
    _check_alive(description)
    assert description.cassandra
    assert description.s3
    assert description.kubernetes
    login = Path(description.kubernetes.nexus_kubeconfig).read_text()  # noqa: ASYNC240 - before all
    name = f"bench_{uuid.uuid4().hex[:8]}"
    with tempfile.TemporaryDirectory(prefix="nexus-bench-") as folder:
        ground = Ground(
            description=description,
            cassandra=description.cassandra,
            s3=description.s3,
            kubernetes=description.kubernetes,
            name=name,
            namespace=name.replace("_", "-"),
            folder=Path(folder),
        )
        write(ground.kubeconfig, login)
        async with AsyncExitStack() as stack:
            await _install_definitions(ground)
            await stack.enter_async_context(_namespace(ground))
            stack.push_async_callback(_empty_bucket, ground)
            await stack.enter_async_context(keyspace(ground))
            yield ground


def _check_alive(description: Description) -> None:
    # Servers that somebody else started are described without their processes.
    pids: dict[str, tuple[int, ...]] = {
        "cassandra": (description.cassandra.pid,) if description.cassandra else (),
        "s3": (description.s3.pid,) if description.s3 else (),
        "kubernetes": description.kubernetes.pids if description.kubernetes else (),
    }
    for name, them in pids.items():
        if not all(map(psutil.pid_exists, them)):
            raise TestbedError(f"{name} has ended: make testbed-up")


@asynccontextmanager
async def administrator(ground: Ground) -> AsyncIterator[Connection]:
    """Connect to the API server as who may do everything."""
    source = KubeconfigFile(Path(ground.kubernetes.kubeconfig))
    async with Connection.open(
        source, SystemClock(), connections=4, patience=_PATIENCE
    ) as connection:
        yield connection


async def _install_definitions(ground: Ground) -> None:
    """See to it that the cluster knows templates; as often as it may be."""
    for command in (
        ("apply", "--server-side", "--force-conflicts"),
        ("wait", "--for=condition=Established", "--timeout=30s"),
    ):
        process = await asyncio.create_subprocess_exec(
            *(ground.kubernetes.kubectl, "--kubeconfig", ground.kubernetes.kubeconfig),
            *(*command, "-f", _DEFINITIONS),
            stdout=asyncio.subprocess.DEVNULL,
        )
        if await process.wait():
            raise RuntimeError("kubectl failed; see above")


@asynccontextmanager
async def _namespace(ground: Ground) -> AsyncIterator[None]:
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": ground.namespace},
    }
    own = f"/api/v1/namespaces/{ground.namespace}"
    async with administrator(ground) as connection:
        await _create(connection, "/api/v1/namespaces", namespace)
        rights = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{ground.namespace}/rolebindings"
        try:
            await _create(connection, rights, binding())
            for file in sorted(CATALOGUE.glob("**/*.yaml")):
                for manifest in yaml.safe_load_all(file.read_text()):
                    await _create(connection, _resources(ground.namespace, manifest), manifest)
            yield
        finally:
            await connection.request("DELETE", own)


def _resources(namespace: str, manifest: dict[str, Any]) -> str:
    kind = f"{manifest['kind'].lower()}s"
    return f"/apis/{manifest['apiVersion']}/namespaces/{namespace}/{kind}"


async def _create(connection: Connection, path: str, manifest: dict[str, Any]) -> None:
    answer = await connection.request("POST", path, body=msgspec.json.encode(manifest))
    if not answer.ok:
        raise RuntimeError(f"{path}: {answer.refusal().message}")


@asynccontextmanager
async def keyspace(ground: Ground) -> AsyncIterator[None]:
    """Make the keyspace of a ground with all tables; it goes with the block."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "nexus_schema", "apply"),
        *("--create-keyspace", "--replication", "1"),
        env=ground.environment(),
        stdout=asyncio.subprocess.DEVNULL,
    )
    if await process.wait():
        raise RuntimeError("nexus-schema failed; see above")
    try:
        yield
    finally:
        limits = Limits(in_flight=1, request_seconds=30, patience_seconds=_PATIENCE, tries=1)
        async with open_session(ground.plan(), limits, DriverName.ACSYLLA) as session:
            await session.define(f"DROP KEYSPACE {ground.name}")


async def _empty_bucket(ground: Ground) -> None:
    s3 = ground.s3
    async with get_session().create_client(
        "s3",
        endpoint_url=s3.endpoint,
        region_name=s3.region,
        aws_access_key_id=s3.access_key_id,
        aws_secret_access_key=s3.secret_access_key,
    ) as client:
        pages = client.get_paginator("list_objects_v2")
        async for page in pages.paginate(Bucket=s3.bucket, Prefix=f"{ground.name}/"):
            if found := page.get("Contents"):
                await client.delete_objects(
                    Bucket=s3.bucket, Delete={"Objects": [{"Key": one["Key"]} for one in found]}
                )
