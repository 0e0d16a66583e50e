"""What integration tests share."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from support.algorithms import Algorithms
from support.cassandra import an_applied_keyspace
from support.custom_resources import Kubectl, Resources, connected_by
from support.deployment import Deployment, Servers, a_deployment
from tools.testbed.description import (
    CassandraDescription,
    Description,
    KubernetesDescription,
    S3Description,
)
from tools.testbed.kubernetes.control_plane import ControlPlane


@pytest.fixture(scope="session")
def keyspace(testbed: Description, cassandra_server: CassandraDescription) -> Iterator[str]:
    """A keyspace of the test process' own."""
    with an_applied_keyspace(testbed, cassandra_server) as name:
        yield name


@pytest.fixture(scope="session")
def definitions(kubernetes_server: KubernetesDescription) -> None:
    asyncio.run(Kubectl.of(kubernetes_server).install_definitions())


@pytest.fixture(scope="session")
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
async def control_plane(
    # Where it runs, the programs are built.
    kubernetes_server: KubernetesDescription,  # noqa: ARG001
    tmp_path: Path,
) -> AsyncIterator[ControlPlane]:
    """A control plane of the test's own, which it may kill and freeze."""
    control_plane = ControlPlane(tmp_path / "control-plane")
    try:
        await control_plane.start()
        yield control_plane
    finally:
        await control_plane.stop()


# What follows belongs to the event loop of a module, and so do the tests that take it: to start
# three services takes seconds.


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def algorithms(
    kubernetes_server: KubernetesDescription,
    definitions: None,  # noqa: ARG001 - must be there first
) -> AsyncIterator[Algorithms]:
    """What may be run: templates of the module's own, in the namespace that schedulers read."""
    async with connected_by(kubernetes_server.kubeconfig) as connection:
        resources = Resources(connection, kubernetes_server.deploy_namespace)
        algorithms = Algorithms(resources, kubernetes_server.namespace, secrets.token_hex(4))
        try:
            yield algorithms
        finally:
            await algorithms.withdraw()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def deployment(servers: Servers) -> AsyncIterator[Deployment]:
    """Scheduler, receiver and supervisor, which serve all tests of a module."""
    async with a_deployment(servers) as deployment:
        await deployment.start()
        yield deployment
        assert set((await deployment.stop()).values()) == {0}


@pytest_asyncio.fixture(loop_scope="module")
async def own_deployment(servers: Servers) -> AsyncIterator[Deployment]:
    """The three for one test that harms them; none of them is started yet."""
    async with a_deployment(servers) as deployment:
        yield deployment
