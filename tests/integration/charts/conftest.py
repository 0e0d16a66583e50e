"""Others' definitions, fetched once like the testbed's servers, and Nexus on bad days."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from support.cassandra import drop_keyspace
from support.charts import Helm
from support.deployment import Servers
from support.installed import a_place, in_one_cluster
from support.required import cached
from support.watched_nexus import WatchedNexus, drop_bucket
from tools.testbed.description import (
    CassandraDescription,
    KubernetesDescription,
    S3Description,
)
from tools.testbed.prometheus_operator import definitions as definitions_of_the_operator


@pytest.fixture(scope="session")
def operator_definitions() -> Path:
    """A folder with the definitions of `ServiceMonitor` and `PrometheusRule`."""
    return cached(definitions_of_the_operator)


@pytest.fixture(scope="module")
def servers_without_anything(
    cassandra_server: CassandraDescription,
    s3_server: S3Description,
    kubernetes_server: KubernetesDescription,
    definitions: None,  # noqa: ARG001 - must be there first
) -> Iterator[Servers]:
    """The servers, with a keyspace and a bucket that are not there yet."""
    own = secrets.token_hex(6)
    yield Servers(
        cassandra=cassandra_server,
        s3=msgspec.structs.replace(s3_server, bucket=f"bad-days-{own}"),
        kubernetes=kubernetes_server,
        keyspace=f"bad_days_{own}",
    )
    asyncio.run(drop_keyspace(cassandra_server, f"bad_days_{own}"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def installed(
    helm_program: Path, servers_without_anything: Servers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[WatchedNexus]:
    """Nexus, installed in one cluster, without schema and bucket; no pod is started."""
    folder = tmp_path_factory.mktemp("pods")
    helm = Helm(helm_program, folder / "helm", Path(servers_without_anything.kubernetes.kubeconfig))
    async with (
        a_place(servers_without_anything, helm, folder) as place,
        in_one_cluster(place) as nexus,
    ):
        yield WatchedNexus(nexus)
    await drop_bucket(servers_without_anything.s3)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def prepared(installed: WatchedNexus) -> WatchedNexus:
    """All that the pods need is there, and none is started."""
    await installed.prepare()
    return installed


@pytest_asyncio.fixture(loop_scope="module")
async def running(prepared: WatchedNexus) -> AsyncIterator[WatchedNexus]:
    """All pods run and are ready."""
    await prepared.begin()
    try:
        await prepared.all_come_to_say({})
        yield prepared
    finally:
        await prepared.end()
