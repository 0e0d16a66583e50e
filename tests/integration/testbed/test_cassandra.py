"""The Cassandra of the testbed is what its description says, and survives what tests do to it."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tools.testbed.cassandra.cql import CqlConnection, CqlError, Login
from tools.testbed.cassandra.server import CassandraServer
from tools.testbed.description import CassandraDescription
from tools.testbed.processes import recorded

pytestmark = pytest.mark.integration


def _superuser(server: CassandraDescription) -> Login:
    return Login(server.user, server.password)


async def _release(server: CassandraDescription, *certificate: str) -> bytes | None:
    """Ask over TLS for the version of the server."""
    tls = ssl.create_default_context(cafile=server.ca)
    # In TLS 1.3 a client hears only later, or never, why it was refused.
    tls.maximum_version = ssl.TLSVersion.TLSv1_2
    if certificate:
        tls.load_cert_chain(*certificate)
    opening = CqlConnection.open(server.host, server.tls_port, _superuser(server), tls)
    async with opening as connection:
        ((release,),) = await connection.run("SELECT release_version FROM system.local")
        return release


async def test_its_port_for_tls_serves_who_shows_a_certificate(
    cassandra_server: CassandraDescription,
) -> None:
    mine = (cassandra_server.client_certificate, cassandra_server.client_key)

    release = await _release(cassandra_server, *mine)

    assert release is not None
    assert release.startswith(b"5.0.")


async def test_its_port_for_tls_refuses_who_shows_none(
    cassandra_server: CassandraDescription,
) -> None:
    with pytest.raises(ssl.SSLError, match="alert"):
        await _release(cassandra_server)


async def test_its_port_for_tls_refuses_who_shows_an_expired_one(
    cassandra_server: CassandraDescription,
) -> None:
    old = (cassandra_server.expired_certificate, cassandra_server.expired_key)

    with pytest.raises(ssl.SSLError, match="alert certificate expired"):
        await _release(cassandra_server, *old)


async def test_its_reader_may_log_in_and_do_nothing(
    cassandra_server: CassandraDescription,
) -> None:
    reader = Login(cassandra_server.reader_user, cassandra_server.reader_password)
    opening = CqlConnection.open(cassandra_server.host, cassandra_server.port, reader)
    async with opening as connection:
        with pytest.raises(CqlError, match="no SELECT permission"):
            await connection.run("SELECT role FROM system_auth.roles")


async def test_the_user_that_everybody_knows_is_gone(
    cassandra_server: CassandraDescription,
) -> None:
    known = Login("cassandra", "cassandra")
    with pytest.raises(CqlError, match="incorrect"):
        async with CqlConnection.open(cassandra_server.host, cassandra_server.port, known):
            pass


@pytest.fixture
async def own_server(tmp_path: Path) -> AsyncIterator[CassandraServer]:
    yield CassandraServer(tmp_path)
    for process in recorded(tmp_path):
        await process.kill()


# Two starts of a Java that compiles all it does, perhaps beside builds and other tests.
@pytest.mark.timeout(300)
# So that it is skipped where a testbed can't be.
@pytest.mark.usefixtures("cassandra_server")
async def test_what_a_killed_node_acknowledged_is_there_when_it_is_back(
    own_server: CassandraServer,
) -> None:
    killed = await own_server.start()
    login = _superuser(killed)
    replication = "{'class': 'NetworkTopologyStrategy', 'datacenter1': 1}"
    async with CqlConnection.open(killed.host, killed.port, login) as connection:
        await connection.run(f"CREATE KEYSPACE kept WITH replication = {replication}")
        await connection.run("CREATE TABLE kept.words (word text PRIMARY KEY)")
        await connection.run("INSERT INTO kept.words (word) VALUES ('said') IF NOT EXISTS")

    await own_server.kill()
    assert not own_server.alive
    back = await own_server.start()

    assert (back.port, back.tls_port) == (killed.port, killed.tls_port)
    assert back.pid != killed.pid
    async with CqlConnection.open(back.host, back.port, login) as connection:
        assert await connection.run("SELECT word FROM kept.words") == [(b"said",)]
