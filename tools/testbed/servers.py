"""Which servers there are, and what each of their rooms offers."""

from collections.abc import Mapping
from typing import Protocol

from tools.testbed.builds import Say
from tools.testbed.cassandra.room import CassandraRoom
from tools.testbed.description import Part, ServerName
from tools.testbed.engine.room import EngineRoom
from tools.testbed.kubernetes.node.room import NodeRoom
from tools.testbed.kubernetes.room import KubernetesRoom
from tools.testbed.places import Places
from tools.testbed.s3.room import S3Room


class Server(Protocol):
    """A server, or several that work as one, as `up` sees it. It has no state."""

    async def install(self, places: Places, say: Say) -> None:
        """Build or unpack into the cache what `start` needs. Quick when it is there.

        Raises:
            TestbedError: A tool is missing, or a build failed.
        """
        ...

    async def start(self, places: Places, say: Say) -> Part:
        """Start it on fresh data and wait until it is ready.

        Everything it writes goes to `places.server(name)`, a folder that is not there yet. Each of
        its processes is started by `processes.start` in that folder or below it: so `down` finds
        it. Certificates come from `Authority(places.certificates)`, which all servers share.

        Raises:
            TestbedError: It died or did not become ready; names the log.
        """
        ...


SERVERS: Mapping[ServerName, Server] = {
    "cassandra": CassandraRoom(),
    "s3": S3Room(),
    "kubernetes": KubernetesRoom(),
    "node": NodeRoom(),
    "engine": EngineRoom(),
}

ON_REQUEST = frozenset[ServerName]({"node", "engine"})
"""Those that start only when they are named: not every machine can have them."""
