"""What `up` calls."""

from tools.testbed.builds import Say
from tools.testbed.cassandra.distribution import jars, java_of_cassandra
from tools.testbed.cassandra.server import CassandraServer
from tools.testbed.certificates import Authority
from tools.testbed.description import CassandraDescription
from tools.testbed.places import Places


class CassandraRoom:
    """Cassandra for `up`; see `servers.Server`."""

    async def install(self, places: Places, say: Say) -> None:
        """Fetch its jars, once Java is known to be there."""
        java_of_cassandra()
        await jars(places.cache, say)

    async def start(self, places: Places, say: Say) -> CassandraDescription:
        """Start a node with certificates of the testbed's authority."""
        # As fast as in production. Nobody kills the node that all tests share.
        server = CassandraServer(
            places.server("cassandra"), Authority(places.certificates), "now and then"
        )
        return await server.start(places.cache, say)
