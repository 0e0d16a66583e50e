"""What `up` calls."""

from tools.testbed.builds import Say
from tools.testbed.description import S3Description
from tools.testbed.places import Places
from tools.testbed.s3.distribution import program
from tools.testbed.s3.server import S3Server


class S3Room:
    """The S3-compatible server for `up`; see `servers.Server`."""

    async def install(self, places: Places, say: Say) -> None:
        """Build its program."""
        await program(places.cache, say)

    async def start(self, places: Places, say: Say) -> S3Description:
        """Start a server with a bucket and two users."""
        return await S3Server(places.server("s3")).start(places.cache, say)
