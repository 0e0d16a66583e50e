"""The real node as `up` sees it, when it is asked for."""

from pathlib import Path

from tools.testbed.builds import Say
from tools.testbed.certificates import Authority
from tools.testbed.description import KubernetesDescription, NodeDescription, read_description
from tools.testbed.errors import TestbedError
from tools.testbed.kubernetes.binaries import kubelet
from tools.testbed.kubernetes.control_plane import ADMINISTRATORS
from tools.testbed.kubernetes.kubeconfig import Endpoint
from tools.testbed.kubernetes.node import rules
from tools.testbed.kubernetes.node.image import EXAMPLES_IMAGE, base_layer
from tools.testbed.kubernetes.node.packages import packages
from tools.testbed.kubernetes.node.real_node import Parts, RealNode
from tools.testbed.places import Places


class NodeRoom:
    """A node of the cluster that runs in the testbed."""

    async def install(self, places: Places, say: Say) -> None:
        """Build the kubelet and the image, or find them in the cache."""
        _cluster(places)
        await parts(places, say)

    async def start(self, places: Places, say: Say) -> NodeDescription:
        """Start the node and describe it."""
        cluster = _cluster(places)
        authority = Authority(places.certificates)
        node = RealNode(
            places.server("node"),
            Endpoint(cluster.endpoint, Path(cluster.ca)),
            authority,
            authority.issue("node-administrator", organization=ADMINISTRATORS),
        )
        process = await node.start(await parts(places, say))
        return NodeDescription(
            name=rules.NODE,
            label=rules.LABEL,
            taint=rules.TAINT,
            image=EXAMPLES_IMAGE,
            logs=str(node.logs),
            pid=process.pid,
        )


def _cluster(places: Places) -> KubernetesDescription:
    cluster = read_description(places).kubernetes
    if cluster is None:
        raise TestbedError("a node needs a cluster: start kubernetes first")
    return cluster


async def parts(places: Places, say: Say) -> Parts:
    """Return what nodes are made of, built or fetched when it is not there.

    Raises:
        TestbedError: It could not be.
    """
    unpacked = await packages(places.cache, say)
    return Parts(
        unpacked,
        await kubelet(places.cache, say),
        await base_layer(places.cache, unpacked, say),
    )
