"""The examples as people run them on a cluster: services on real servers, pods on a real node.

On KWOK's nodes all of these pods would complete, and nothing would run: so whatever is told here
was come to by a process in a container.
"""

import dataclasses
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from msgspec.structs import replace

from support.custom_resources import Resources, connected_by, own_namespace
from support.deployment import Deployment, Servers, a_deployment
from support.example_runs import ends_as_its_readme_says, only_on
from support.examples import ENDINGS, example_resources
from tools.testbed.description import NodeDescription

# One after the other, and not beside other pods of that node: it has the cores of this machine, and
# they are what pods ask for.
pytestmark = [
    pytest.mark.integration,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("real node"),
    pytest.mark.timeout(300),
]

# A container starts within seconds, unless the machine has much else to do.
POD_PATIENCE = 180.0

PRINTS = {
    "fails": "ZeroDivisionError: division by zero\n",
    # Its cluster ends the pod before it says that the Job has failed.
    "overstays-deadline": "sleeping for 60 seconds\n",
}
"""Of those that fail, part of what they print before."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def deployment(
    node_server: NodeDescription,
    servers: Servers,
    definitions: None,  # noqa: ARG001 - must be there first
) -> AsyncIterator[Deployment]:
    """Scheduler, receiver and supervisor, that know the examples by their own names.

    So the templates need a namespace that nobody else publishes to; the testbed's account of Nexus
    has no rights there.
    """
    administrator = servers.kubernetes.kubeconfig
    async with connected_by(administrator) as connection, own_namespace(connection) as resources:
        kubernetes = replace(
            servers.kubernetes,
            nexus_kubeconfig=administrator,
            deploy_namespace=resources.namespace,
        )
        async with a_deployment(dataclasses.replace(servers, kubernetes=kubernetes)) as deployment:
            await publish_examples(resources, node_server)
            await deployment.start()
            yield deployment
            assert set((await deployment.stop()).values()) == {0}


async def publish_examples(resources: Resources, node: NodeDescription) -> None:
    """Publish the files of the examples; their workgroup, which says where they run, leads here."""
    for manifest in example_resources():
        if manifest["kind"] == "NexusAlgorithmWorkgroup":
            manifest["spec"] |= {"cluster": "shard-0", **only_on(node)}
        await resources.create(manifest)


@pytest.mark.parametrize("algorithm", ENDINGS)
async def test_an_example_ends_in_a_pod_as_its_readme_says(
    deployment: Deployment, algorithm: str
) -> None:
    await deployment.learns(algorithm)

    result = await ends_as_its_readme_says(deployment, algorithm, POD_PATIENCE)

    if algorithm in PRINTS:
        printed = await deployment.has_kept_log(algorithm, result["requestId"])
        assert PRINTS[algorithm] in printed
    if result["resultUri"]:
        store = urlsplit(deployment.servers.s3.endpoint).netloc
        assert urlsplit(result["resultUri"]).netloc == store
