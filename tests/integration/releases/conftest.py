"""The release before this one, and a keyspace that both use."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from uuid import uuid4

import pytest
import pytest_asyncio

from support.cassandra import drop_keyspace
from support.deployment import Deployment, Servers, a_deployment
from support.release import THIS_RELEASE, InstalledRelease
from support.release_before import install, release_before
from support.required import required
from tools.testbed.description import (
    CassandraDescription,
    KubernetesDescription,
    S3Description,
)


@pytest.fixture(scope="session")
def before() -> InstalledRelease:
    name = release_before()
    return required(lambda: asyncio.run(install(name)))


Made = Callable[[InstalledRelease], AbstractContextManager[Servers]]
"""Gives the servers, with a keyspace as a release makes it."""


@pytest.fixture(scope="session")
def made_by(
    cassandra_server: CassandraDescription,
    s3_server: S3Description,
    kubernetes_server: KubernetesDescription,
    definitions: None,  # noqa: ARG001 - must be there first
) -> Made:
    @contextmanager
    def make(release: InstalledRelease) -> Iterator[Servers]:
        servers = Servers(
            cassandra=cassandra_server,
            s3=s3_server,
            kubernetes=kubernetes_server,
            keyspace=f"release_{uuid4().hex[:12]}",
        )
        command = ("apply", "--create-keyspace", "--replication=1")
        assert release.schema(*command, settings=servers.settings()) == 0
        try:
            yield servers
        finally:
            asyncio.run(drop_keyspace(cassandra_server, servers.keyspace))

    return make


@pytest.fixture
def old_servers(made_by: Made, before: InstalledRelease) -> Iterator[Servers]:
    """With a keyspace of the release before, as it was."""
    with made_by(before) as servers:
        yield servers


@pytest.fixture(scope="module")
def servers_of_both(made_by: Made, before: InstalledRelease) -> Iterator[Servers]:
    """With such a keyspace in the middle of its upgrade, as both releases use it."""
    with made_by(before) as servers:
        settings = servers.settings()
        assert THIS_RELEASE.schema("apply", "--phase=pre", settings=settings) == 0
        yield servers


@pytest_asyncio.fixture(loop_scope="module")
async def own_deployment(servers_of_both: Servers) -> AsyncIterator[Deployment]:
    """The three for one test; none of them is started yet."""
    async with a_deployment(servers_of_both) as deployment:
        yield deployment
