"""What integration tests of whole services share."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator

import pytest

from support.algorithms import Algorithms
from support.cassandra_stores import schema_of
from support.custom_resources import Kubectl, Resources, connected_by
from support.deployment import Deployment, Servers, a_deployment
from tools.testbed.description import (
    CassandraDescription,
    KubernetesDescription,
    S3Description,
)


@pytest.fixture(scope="session")
def keyspace(cassandra_server: CassandraDescription) -> Iterator[str]:
    """A keyspace of the test process' own, with indexes."""
    with schema_of(cassandra_server, indexed=True) as name:
        yield name


@pytest.fixture(scope="session")
def definitions(kubernetes_server: KubernetesDescription) -> None:
    asyncio.run(Kubectl.of(kubernetes_server).install_definitions())


@pytest.fixture
def servers(
    cassandra_server: CassandraDescription,
    s3_server: S3Description,
    kubernetes_server: KubernetesDescription,
    keyspace: str,
) -> Servers:
    return Servers(
        cassandra=cassandra_server, s3=s3_server, kubernetes=kubernetes_server, keyspace=keyspace
    )


@pytest.fixture
async def algorithms(
    kubernetes_server: KubernetesDescription,
    definitions: None,  # noqa: ARG001 - must be there first
) -> AsyncIterator[Algorithms]:
    """What may be run: templates of the test's own, in the namespace that schedulers read."""
    async with connected_by(kubernetes_server.kubeconfig) as connection:
        resources = Resources(connection, kubernetes_server.deploy_namespace)
        algorithms = Algorithms(resources, kubernetes_server.namespace, secrets.token_hex(4))
        try:
            yield algorithms
        finally:
            await algorithms.withdraw()


@pytest.fixture
async def deployment(servers: Servers, algorithms: Algorithms) -> AsyncIterator[Deployment]:  # noqa: ARG001 - services end before what they watch
    """Scheduler, receiver and supervisor, none of them started yet."""
    async with a_deployment(servers) as deployment:
        yield deployment
