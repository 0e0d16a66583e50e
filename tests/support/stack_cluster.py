"""What stands in the place of the stack's k3s: a control plane of its own, with a real node."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from support.custom_resources import Kubectl
from support.example_runs import only_on
from tools.testbed.description import NodeDescription
from tools.testbed.kubernetes import binaries
from tools.testbed.kubernetes.cluster import Cluster
from tools.testbed.kubernetes.node import rules
from tools.testbed.kubernetes.node.image import EXAMPLES_IMAGE
from tools.testbed.kubernetes.node.real_node import RealNode
from tools.testbed.kubernetes.node.room import parts
from tools.testbed.places import Places

GIVEN = "given"
"""The folder, in that of the cluster, which containers are to have."""

_STOP_SECONDS = 10.0
_CHUNK = 64 * 1024


class StackCluster:
    """A cluster whose API server containers reach by a socket in a folder that is mounted."""

    def __init__(self, kubectl: Kubectl, node: NodeDescription) -> None:
        self._kubectl = kubectl
        self._node = node

    async def send_runs_to_the_node(self) -> None:
        """Change the workgroup of the examples, once it is there: KWOK's nodes run nothing."""
        change = json.dumps({"spec": only_on(self._node)})
        await self._kubectl(
            "patch", "--namespace=nexus", "naw/default", "--type=merge", f"--patch={change}"
        )


@asynccontextmanager
async def a_stack_cluster(folder: Path, images: Path) -> AsyncIterator[StackCluster]:
    """Start a cluster and its node, on which an archive of images is; at the end both are gone."""
    places = Places.from_environment()
    given = folder / GIVEN
    given.mkdir()
    async with AsyncExitStack() as stack:
        cluster = Cluster(folder / "cluster")
        stack.push_async_callback(cluster.stop)
        kubeconfigs = await cluster.start(places.cache)
        plane = cluster.control_plane
        node = RealNode(folder / "node", plane.endpoint, plane.authority, plane.administrator)
        process = await node.start(await parts(places, print), images)
        stack.push_async_callback(process.stop, _STOP_SECONDS)
        port = urlsplit(plane.endpoint.url).port or 0
        await stack.enter_async_context(_relay(given / "apiserver", port))
        (given / "kubeconfig").write_bytes(kubeconfigs.administrator.read_bytes())
        programs = await binaries.install(places.cache, print)
        described = NodeDescription(
            name=rules.NODE,
            label=rules.LABEL,
            taint=rules.TAINT,
            image=EXAMPLES_IMAGE,
            logs=str(node.logs),
            pid=process.pid,
        )
        yield StackCluster(Kubectl(programs.kubectl, kubeconfigs.administrator), described)


@asynccontextmanager
async def _relay(path: Path, port: int) -> AsyncIterator[None]:
    """Hand on what comes in at a socket: the port listens on loopback, which containers lack."""

    async def hand_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            there, back = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(_copied(reader, back), _copied(there, writer))

    server = await asyncio.start_unix_server(hand_on, path)
    try:
        yield
    finally:
        server.close()


async def _copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
    except OSError:
        # The other direction notices by itself.
        pass
    finally:
        writer.close()
