"""A secure connection bundle, shaped as Astra's, that leads to the testbed's TLS port.

Astra's own parts are played here: its metadata service over TLS with client certificates, and its
proxy, which tells nodes apart by the name that TLS asks for: there is but one node.
"""

import asyncio
import base64
import io
import json
import ssl
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from msgspec.structs import replace

from nexus_core.adapters.cassandra.connect import DriverName, open_session
from nexus_core.adapters.cassandra.plan import Login
from nexus_core.adapters.cassandra.session import Statement
from nexus_core.composition.cql import open_cql_session
from nexus_core.composition.cql_store import CqlStore, cql_store
from nexus_core.domain.errors import UnavailableError
from nexus_core.settings.loader import load
from nexus_core.settings.sections import ServiceSettings
from support.cassandra import LIMITS, plan_of
from tools.testbed.certificates import Authority
from tools.testbed.description import CassandraDescription

pytestmark = pytest.mark.integration


class Metadata:
    """The metadata service: tells clients that show a certificate where the proxy is."""

    def __init__(self, authority: Authority) -> None:
        self.authority = authority
        self.port = 0
        self.answer = b""

    async def serve(self) -> asyncio.Server:
        # The authority is the testbed's, and its folder shared: a name that no other test writes.
        issued = self.authority.issue(f"astra-metadata-{uuid4()}")
        context = ssl.create_default_context(
            ssl.Purpose.CLIENT_AUTH, cafile=self.authority.certificate
        )
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(issued.certificate, issued.key)
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0, ssl=context)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        found = request.startswith((b"GET /metadata ", b"GET /metadata?version=1 "))
        status = b"200 OK" if found and self.answer else b"503 Service Unavailable"
        head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nConnection: close\r\n" % status
        writer.write(head + b"Content-Length: %d\r\n\r\n%b" % (len(self.answer), self.answer))
        await writer.drain()
        writer.close()


@pytest.fixture
async def metadata(cassandra_server: CassandraDescription) -> AsyncIterator[Metadata]:
    async with open_session(plan_of(cassandra_server), LIMITS, DriverName.ACSYLLA) as session:
        [[host_id]] = await session.execute(Statement("SELECT host_id FROM system.local"))
    metadata = Metadata(Authority(Path(cassandra_server.ca).parent))
    metadata.answer = json.dumps(
        {
            "version": 1,
            "region": "local",
            "contact_info": {
                "type": "sni_proxy",
                "local_dc": cassandra_server.local_dc,
                "contact_points": [str(host_id)],
                "sni_proxy_address": f"localhost:{cassandra_server.tls_port}",
            },
        }
    ).encode()
    server = await metadata.serve()
    async with server:
        yield metadata


@pytest.fixture
def store(
    cassandra_server: CassandraDescription, keyspace: str, metadata: Metadata, driver: DriverName
) -> CqlStore:
    bundle = io.BytesIO()
    with zipfile.ZipFile(bundle, "w") as archive:
        archive.writestr(
            "config.json",
            json.dumps({"host": "localhost", "port": metadata.port, "keyspace": "default"}),
        )
        archive.write(cassandra_server.ca, "ca.crt")
        archive.write(cassandra_server.client_certificate, "cert")
        archive.write(cassandra_server.client_key, "key")
    section = {
        "SECURE_CONNECTION_BUNDLE_BASE64": base64.b64encode(bundle.getvalue()).decode(),
        "GATEWAY_USER": cassandra_server.user,
        "GATEWAY_PASSWORD": cassandra_server.password,
        "KEYSPACE": keyspace,
    }
    environ = {f"NEXUS__ASTRA_CQL_STORE__{name}": text for name, text in section.items()}
    environ |= {"NEXUS__CQL_STORE_TYPE": "astra", "NEXUS__CQL__DRIVER": driver.value}
    return cql_store(load(ServiceSettings, environ))


async def test_a_bundle_leads_to_its_database(store: CqlStore) -> None:
    async with open_cql_session(store) as session:
        await session.execute(Statement("INSERT INTO things (a, b) VALUES (?, ?)"), ["astra", "1"])
        read = Statement("SELECT b FROM things WHERE a = ?")
        assert await session.execute(read, ["astra"]) == [("1",)]


async def test_a_wrong_token_is_named(store: CqlStore) -> None:
    store = replace(store, plan=replace(store.plan, login=Login("token", "wrong")))
    with pytest.raises(UnavailableError, match="Astra: refuses to let user 'token' in"):
        async with open_cql_session(store):
            pass


async def test_a_database_that_sleeps_is_no_riddle(store: CqlStore, metadata: Metadata) -> None:
    metadata.answer = b""
    with pytest.raises(UnavailableError, match=r"^Astra: can't be reached"):
        async with open_cql_session(store):
            pass
