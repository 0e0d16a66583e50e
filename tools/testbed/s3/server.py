"""One S3-compatible server in a folder."""

import os
from pathlib import Path

import msgspec

from tools.testbed.builds import Say
from tools.testbed.description import S3Description
from tools.testbed.one_process import OneProcess
from tools.testbed.places import Places
from tools.testbed.ports import LOOPBACK, free_ports
from tools.testbed.processes import until_ready
from tools.testbed.s3.accounts import (
    BUCKET,
    HEALTH,
    REGION,
    answers,
    make_bucket,
    make_user,
    new_key_pair,
)
from tools.testbed.s3.distribution import program

# Names below it lead to a bucket each.
_DOMAIN = "localhost"
_START_SECONDS = 30.0
_STOP_SECONDS = 10.0


class S3Server(OneProcess):
    """A versitygw whose buckets are folders, on a port and with users of its own.

    It may be started again after it ended in whatever way, and finds all it had.
    """

    def __init__(self, folder: Path) -> None:
        """Prepare a server; nothing is written before its start.

        Args:
            folder: Where users, buckets and log go. Absolute.
        """
        super().__init__("s3", folder, _STOP_SECONDS)
        (self._port,) = free_ports(1)
        self._endpoint = f"http://{LOOPBACK}:{self._port}"
        self._root = new_key_pair()
        self._denied = new_key_pair()
        self._furnished = False

    async def start(self, cache: Path | None = None, say: Say = print) -> S3Description:
        """Start it and wait until it answers. It is built first, when that was not done.

        Args:
            cache: Where it is built; that of the environment by default.
            say: Told when it is built.

        Raises:
            TestbedError: It runs already, there is no Go, or it died or didn't answer in time;
                names its log.
        """
        versitygw = await program(cache or Places.from_environment().cache, say)
        users, buckets = self.folder / "users", self.folder / "buckets"
        for needed in (users, buckets):
            needed.mkdir(parents=True, exist_ok=True)
        command = [
            str(versitygw),
            *("--port", f"{LOOPBACK}:{self._port}"),
            *("--region", REGION),
            *("--virtual-domain", _DOMAIN),
            *("--iam-dir", str(users)),
            *("--health", HEALTH),
            # Otherwise every request is a connection of its own.
            "--keep-alive",
            "--quiet",
            *("posix", *self._where_attributes_go(buckets), str(buckets)),
        ]
        keys = {"ROOT_ACCESS_KEY_ID": self._root.id, "ROOT_SECRET_ACCESS_KEY": self._root.secret}
        process = self.spawn(command, {**os.environ, **keys})
        await until_ready(process, lambda: answers(self._endpoint), _START_SECONDS)
        if not self._furnished:
            log = self.folder / "make-user.log"
            await make_user(versitygw, self._endpoint, self._root, self._denied, log)
            await make_bucket(self._endpoint, self._root)
            self._furnished = True
        return msgspec.structs.replace(self._description(), pid=process.pid)

    def _where_attributes_go(self, buckets: Path) -> tuple[str, ...]:
        """Return options for a file system that keeps no attributes of files beside them."""
        try:
            os.setxattr(buckets, "user.nexus-testbed", b"")
        except OSError:
            sidecar = self.folder / "attributes"
            sidecar.mkdir(exist_ok=True)
            return ("--sidecar", str(sidecar))
        os.removexattr(buckets, "user.nexus-testbed")
        return ()

    def _description(self) -> S3Description:
        return S3Description(
            endpoint=self._endpoint,
            access_key_id=self._root.id,
            secret_access_key=self._root.secret,
            region=REGION,
            bucket=BUCKET,
            denied_access_key_id=self._denied.id,
            denied_secret_access_key=self._denied.secret,
            virtual_host_endpoint=f"http://{_DOMAIN}:{self._port}",
        )
