"""What connecting says when it fails: one line that names the thing, whichever the driver."""

import asyncio
import faulthandler
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme
from msgspec.structs import replace

from nexus_core.adapters.cassandra.connect import DriverName, open_session
from nexus_core.adapters.cassandra.errors import NotReachedError, UnusableError
from nexus_core.adapters.cassandra.plan import Login, Plan, Tls
from nexus_core.adapters.cassandra.session import Statement
from nexus_core.domain.errors import UnavailableError
from support.cassandra import LIMITS, encrypted_plan_of
from tools.testbed.description import CassandraDescription
from tools.testbed.ports import free_ports

pytestmark = pytest.mark.integration


@pytest.fixture
def encrypted(cassandra_server: CassandraDescription) -> Plan:
    return encrypted_plan_of(cassandra_server)


async def _refusal(plan: Plan, driver: DriverName) -> UnavailableError:
    with pytest.raises(UnavailableError) as caught:
        async with open_session(plan, LIMITS, driver):
            pass
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{plan.name}: ")
    return caught.value


def _tls(plan: Plan) -> Tls:
    assert plan.tls
    return plan.tls


async def test_nobody_listens(plan: Plan, driver: DriverName) -> None:
    error = await _refusal(replace(plan, port=free_ports(1)[0]), driver)
    assert isinstance(error, NotReachedError)
    assert "can't be reached" in str(error)


async def test_a_host_has_no_address(plan: Plan, driver: DriverName) -> None:
    error = await _refusal(replace(plan, hosts=("cassandra.invalid",)), driver)
    assert isinstance(error, NotReachedError)
    assert "cassandra.invalid can't be looked up: " in str(error)


async def test_one_host_that_answers_is_enough(plan: Plan, driver: DriverName) -> None:
    hosts = ("cassandra.invalid", "127.0.0.9", *plan.hosts)
    async with open_session(replace(plan, hosts=hosts), LIMITS, driver) as session:
        await session.ping()


async def test_a_cluster_of_one_data_centre_needs_no_name_for_it(
    plan: Plan, driver: DriverName
) -> None:
    async with open_session(replace(plan, local_dc=""), LIMITS, driver) as session:
        await session.ping()


async def test_a_peer_that_says_nothing_is_given_up(plan: Plan, driver: DriverName) -> None:
    # The system takes connections for it, and nobody ever reads from them.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        impatient = replace(plan, port=port, connect_seconds=0.5, request_seconds=0.5)
        async with asyncio.timeout(15):
            error = await _refusal(impatient, driver)
    assert isinstance(error, NotReachedError)


@contextmanager
def _not_blocked(seconds: float) -> Iterator[None]:
    """End the process when its thread is blocked, interpreter and all: no test's time-out can."""
    faulthandler.dump_traceback_later(seconds, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


async def test_connecting_may_be_cancelled_at_any_moment(plan: Plan, driver: DriverName) -> None:
    async def connect() -> None:
        async with open_session(plan, LIMITS, driver) as session:
            await session.ping()

    begun = time.monotonic()
    await connect()
    takes = time.monotonic() - begun
    with _not_blocked(60):
        for part in range(20):
            connecting = asyncio.create_task(connect(), name="connect")
            await asyncio.sleep(takes * part / 20)  # the driver tells nobody how far it is
            connecting.cancel()
            await asyncio.wait([connecting])
        await connect()


async def test_a_wrong_password(plan: Plan, driver: DriverName) -> None:
    assert isinstance(plan.login, Login)
    error = await _refusal(replace(plan, login=Login(plan.login.user, "wrong")), driver)
    assert isinstance(error, UnusableError)
    assert f"refuses to let user '{plan.login.user}' in" in str(error)


async def test_no_user_at_all(plan: Plan, driver: DriverName) -> None:
    assert isinstance(await _refusal(replace(plan, login=None), driver), UnavailableError)


async def test_a_missing_keyspace(plan: Plan, driver: DriverName) -> None:
    error = await _refusal(replace(plan, keyspace="nowhere"), driver)
    assert isinstance(error, UnusableError)
    assert "no keyspace 'nowhere'" in str(error)
    assert "nexus-schema apply --create-keyspace" in str(error)


async def test_a_wrong_data_centre(plan: Plan, driver: DriverName) -> None:
    error = await _refusal(replace(plan, local_dc="mars"), driver)
    assert isinstance(error, UnusableError)
    assert "no data centre 'mars' (`local-dc`); it has datacenter1" in str(error)


async def test_a_user_without_rights(
    plan: Plan, driver: DriverName, cassandra_server: CassandraDescription
) -> None:
    login = Login(cassandra_server.reader_user, cassandra_server.reader_password)
    async with open_session(replace(plan, login=login), LIMITS, driver) as session:
        with pytest.raises(UnusableError, match="no SELECT permission"):
            await session.execute(Statement("SELECT a FROM things WHERE a = 'x'"))


async def test_tls_with_a_client_certificate(encrypted: Plan, driver: DriverName) -> None:
    async with open_session(encrypted, LIMITS, driver) as session:
        await session.ping()


async def test_tls_that_also_proves_the_address(encrypted: Plan, driver: DriverName) -> None:
    strict = replace(encrypted, tls=replace(_tls(encrypted), verify_address=True))
    async with open_session(strict, LIMITS, driver) as session:
        await session.ping()


async def test_an_expired_client_certificate(
    encrypted: Plan, driver: DriverName, cassandra_server: CassandraDescription
) -> None:
    expired = Path(cassandra_server.expired_certificate)
    tls = replace(_tls(encrypted), certificate=expired, key=Path(cassandra_server.expired_key))
    error = await _refusal(replace(encrypted, tls=tls), driver)
    assert isinstance(error, UnusableError)
    assert f"refuses our certificate {expired}: certificate expired" in str(error)


async def test_a_client_certificate_that_is_missing(encrypted: Plan, driver: DriverName) -> None:
    tls = replace(_tls(encrypted), certificate=None, key=None)
    error = await _refusal(replace(encrypted, tls=tls), driver)
    assert isinstance(error, UnusableError)
    assert "wants a client certificate; set `certificate-path` and `key-path`" in str(error)


async def test_a_client_certificate_of_strangers(
    encrypted: Plan, driver: DriverName, tmp_path: Path
) -> None:
    stranger = trustme.CA().issue_cert("nexus")
    certificate, key = tmp_path / "client.pem", tmp_path / "client.key"
    stranger.cert_chain_pems[0].write_to_path(certificate)
    stranger.private_key_pem.write_to_path(key)
    tls = replace(_tls(encrypted), certificate=certificate, key=key)
    error = await _refusal(replace(encrypted, tls=tls), driver)
    assert isinstance(error, UnusableError)
    assert f"refuses our certificate {certificate}" in str(error)


async def test_an_authority_that_did_not_sign_the_server(
    encrypted: Plan, driver: DriverName, tmp_path: Path
) -> None:
    authority = tmp_path / "other-ca.pem"
    trustme.CA().cert_pem.write_to_path(authority)
    tls = replace(_tls(encrypted), ca=authority)
    error = await _refusal(replace(encrypted, tls=tls), driver)
    assert isinstance(error, UnusableError)
    assert f"(`ca-path` {authority})" in str(error)


async def test_no_tls_where_the_server_wants_it(encrypted: Plan, driver: DriverName) -> None:
    error = await _refusal(replace(encrypted, tls=None), driver)
    assert isinstance(error, UnusableError)
    assert "set `ca-path`" in str(error)


async def test_tls_where_the_server_has_none(
    plan: Plan, encrypted: Plan, driver: DriverName
) -> None:
    error = await _refusal(replace(plan, tls=encrypted.tls), driver)
    assert isinstance(error, UnusableError)
    assert "speaks no TLS on this port" in str(error)
