import asyncio
from collections.abc import AsyncIterator

import pytest

from support.custom_resources import Kubectl, Resources, connected_by, own_namespace
from tools.testbed.description import KubernetesDescription


@pytest.fixture(scope="session")
def kubectl(kubernetes_server: KubernetesDescription) -> Kubectl:
    """The program, in a cluster that has the definitions."""
    kubectl = Kubectl.of(kubernetes_server)
    asyncio.run(kubectl.install_definitions())
    return kubectl


@pytest.fixture
async def resources(
    kubernetes_server: KubernetesDescription,
    kubectl: Kubectl,  # noqa: ARG001 - has installed the definitions
) -> AsyncIterator[Resources]:
    """A namespace of the test's own."""
    async with (
        connected_by(kubernetes_server.kubeconfig) as connection,
        own_namespace(connection) as resources,
    ):
        yield resources
