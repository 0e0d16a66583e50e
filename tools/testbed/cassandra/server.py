"""One Cassandra in a folder."""

from pathlib import Path

import msgspec

from tools.testbed.builds import Say
from tools.testbed.cassandra.configuration import (
    LOCAL_DC,
    CassandraPorts,
    Durability,
    write_configuration,
)
from tools.testbed.cassandra.distribution import jars, java_of_cassandra
from tools.testbed.cassandra.roles import answers, new_login
from tools.testbed.certificates import Authority
from tools.testbed.description import CassandraDescription
from tools.testbed.one_process import OneProcess
from tools.testbed.places import Places
from tools.testbed.ports import LOOPBACK, free_ports
from tools.testbed.processes import until_ready

_HERE = Path(__file__).parent
_MAIN = "org.apache.cassandra.service.CassandraDaemon"
# It takes 8 s on two idle cores.
_START_SECONDS = 120.0
# A node that ends in order writes its tables to disk first.
_STOP_SECONDS = 30.0


class CassandraServer(OneProcess):
    """A Cassandra of one node on data, ports and users of its own.

    It may be started again after it ended in whatever way, and finds all it had.
    """

    def __init__(
        self,
        folder: Path,
        authority: Authority | None = None,
        durability: Durability = "each write",
    ) -> None:
        """Prepare a node; nothing is written before its start.

        Args:
            folder: Where configuration, data and log go. Absolute.
            authority: Issues its certificates and its clients'; one in `folder` by default.
            durability: What an acknowledged write survives. By default a kill, for tests of that.
        """
        super().__init__("cassandra", folder, _STOP_SECONDS)
        self._authority = authority
        self._durability: Durability = durability
        self._ports = CassandraPorts(*free_ports(len(CassandraPorts._fields)))
        self._superuser = new_login("nexus")
        self._reader = new_login("reader")
        self._description: CassandraDescription | None = None

    async def start(self, cache: Path | None = None, say: Say = print) -> CassandraDescription:
        """Start it and wait until it answers. Its jars are fetched first, when they are not there.

        Args:
            cache: Where its jars are; that of the environment by default.
            say: Told when they are fetched.

        Raises:
            TestbedError: It runs already, there is no Java 17, or it died or didn't answer in
                time; names its log.
        """
        distribution = await jars(cache or Places.from_environment().cache, say)
        if self._description is None:
            self._description = self._prepare()
        command = [java_of_cassandra(), *self._options(), "-cp", f"{distribution}/*", _MAIN]
        process = self.spawn(command)
        await until_ready(process, self._answers, _START_SECONDS)
        return msgspec.structs.replace(self._description, pid=process.pid)

    async def _answers(self) -> bool:
        return await answers(self._ports.plain, self._superuser, self._reader)

    def _options(self) -> list[str]:
        return [
            f"@{_HERE / 'jvm.options'}",
            f"-Dcassandra.config=file://{self.folder}/cassandra.yaml",
            f"-Dcassandra.storagedir={self.folder}",
            f"-Dlogback.configurationFile={_HERE / 'logback.xml'}",
            # Native libraries are unpacked there, and a killed process leaves them.
            f"-Djava.io.tmpdir={self.folder / 'temporary'}",
        ]

    def _prepare(self) -> CassandraDescription:
        (self.folder / "temporary").mkdir(parents=True)
        authority = self._authority or Authority(self.folder / "certificates")
        node = authority.issue("cassandra")
        keys = self.folder / "node.pem"
        keys.touch(mode=0o600)
        keys.write_bytes(node.key.read_bytes() + node.certificate.read_bytes())
        write_configuration(self.folder, self._ports, keys, authority.certificate, self._durability)
        client = authority.issue("cassandra-client")
        expired = authority.issue("cassandra-expired", expired=True)
        return CassandraDescription(
            host=LOOPBACK,
            port=self._ports.plain,
            tls_port=self._ports.tls,
            local_dc=LOCAL_DC,
            user=self._superuser.user,
            password=self._superuser.password,
            reader_user=self._reader.user,
            reader_password=self._reader.password,
            ca=str(authority.certificate),
            client_certificate=str(client.certificate),
            client_key=str(client.key),
            expired_certificate=str(expired.certificate),
            expired_key=str(expired.key),
        )
