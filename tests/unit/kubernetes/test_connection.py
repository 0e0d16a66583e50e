"""Requests over TLS, with credentials that are refused, to servers that are others."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
import trustme
from aiohttp import web

from nexus_core.adapters.kubernetes.access import Access, Tls
from nexus_core.adapters.kubernetes.connection import Connection
from nexus_core.domain.errors import HeldUpError, UnavailableError
from support.clock import ManualClock
from support.kubeconfigs import a_client_certificate
from support.kubernetes import FixedSource
from support.scripted_api_server import ScriptedApiServer, json_answer, scripted_api_server
from support.waiting import until

OK = json_answer(200, {})


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@asynccontextmanager
async def a_server(
    authority: trustme.CA, name: str = "127.0.0.1"
) -> AsyncIterator[ScriptedApiServer]:
    """Serve by TLS, to clients with a certificate of the authority."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    async with scripted_api_server(context) as server:
        server.answers(OK)
        yield server


def tls_of(authority: trustme.CA, **changes: object) -> Tls:
    certificate, key = a_client_certificate(authority)
    tls = Tls(ca=authority.cert_pem.bytes(), certificate=certificate, key=key)
    return msgspec.structs.replace(tls, **changes)


@asynccontextmanager
async def connected(access: Access, clock: ManualClock) -> AsyncIterator[Connection]:
    source = FixedSource(access)
    async with Connection.open(source, clock, connections=2, patience=5) as connection:
        yield connection


async def test_both_sides_present_certificates(authority: trustme.CA, clock: ManualClock) -> None:
    async with a_server(authority) as server:
        access = Access(server=server.url, tls=tls_of(authority))
        async with connected(access, clock) as connection:
            assert (await connection.request("GET", "/version")).ok


async def test_a_server_may_be_known_by_another_name(
    authority: trustme.CA, clock: ManualClock
) -> None:
    async with a_server(authority, "kubernetes.test") as server:
        access = Access(server=server.url, tls=tls_of(authority), server_name="kubernetes.test")
        async with connected(access, clock) as connection:
            assert (await connection.request("GET", "/version")).ok


async def test_a_server_of_another_authority_is_not_believed(
    authority: trustme.CA, clock: ManualClock
) -> None:
    async with a_server(authority) as server:
        other = trustme.CA().cert_pem.bytes()
        access = Access(server=server.url, tls=tls_of(authority, ca=other))
        async with connected(access, clock) as connection:
            with pytest.raises(UnavailableError) as told:
                await connection.request("GET", "/version")
        assert str(told.value).startswith(
            f"{connection.origin}: API server {server.url} presents a certificate that is not"
        )
        assert "\n" not in str(told.value)


async def test_whoever_answers_is_believed_where_the_configuration_says_so(
    authority: trustme.CA, clock: ManualClock
) -> None:
    async with a_server(authority, "else.test") as server:
        access = Access(server=server.url, tls=tls_of(authority, ca=b"", verify=False))
        async with connected(access, clock) as connection:
            assert (await connection.request("GET", "/version")).ok


async def test_a_request_that_is_refused_is_sent_once_more_with_fresh_credentials(
    clock: ManualClock,
) -> None:
    async with scripted_api_server() as server:
        source = FixedSource(Access(server=server.url, authorization="Bearer old"))
        seen: list[tuple[str, bytes]] = []

        async def check(request: web.Request) -> web.StreamResponse:
            presented = request.headers["Authorization"]
            seen.append((presented, await request.read()))
            return web.json_response({}, status=201 if presented == "Bearer new" else 401)

        server.answers(check)
        async with Connection.open(source, clock, connections=2, patience=5) as connection:
            await clock.advance(5)
            source.access = msgspec.structs.replace(source.access, authorization="Bearer new")
            answer = await connection.request("POST", "/jobs", body=b"{}")

    assert answer.status == 201
    assert seen == [("Bearer old", b"{}"), ("Bearer new", b"{}")]


async def test_credentials_that_stay_refused_are_told_with_whose_they_are(
    clock: ManualClock,
) -> None:
    async with scripted_api_server() as server:
        server.answers(json_answer(401, {}))
        async with connected(Access(server=server.url, user="me"), clock) as connection:
            for _ in range(2):
                with pytest.raises(UnavailableError) as told:
                    await connection.request("GET", "/version")
    assert str(told.value) == (
        f"{connection.origin}: API server {server.url} does not accept the credentials of user 'me'"
    )


async def test_no_redirect_is_followed_with_credentials(clock: ManualClock) -> None:
    async with scripted_api_server() as server:
        server.answers(json_answer(302, {}, Location="http://elsewhere.test/"))
        async with connected(Access(server=server.url, authorization="Bearer t"), clock) as link:
            assert (await link.request("GET", "/version")).status == 302
    assert len(server.requests) == 1


async def test_what_is_held_up_beyond_its_time_is_not_sent(clock: ManualClock) -> None:
    async with scripted_api_server() as server:
        server.answers(OK)
        async with connected(Access(server=server.url), clock) as connection:
            in_time = clock.monotonic() + 5
            assert (await connection.request("POST", "/jobs", body=b"{}", send_by=in_time)).ok
            await clock.advance(5)
            with pytest.raises(HeldUpError, match="held up"):
                await connection.request("POST", "/jobs", body=b"{}", send_by=in_time)
        assert len(server.requests) == 1


async def test_what_still_waits_for_a_connection_when_its_time_is_over_is_not_sent(
    clock: ManualClock,
) -> None:
    release = asyncio.Event()

    async def hang(_: web.Request) -> web.StreamResponse:
        await release.wait()
        return web.json_response({})

    async with scripted_api_server() as server:
        server.answers(hang)
        async with connected(Access(server=server.url), clock) as connection:
            busy = [asyncio.create_task(connection.request("GET", "/version")) for _ in range(2)]
            await until(lambda: len(server.requests) == 2)
            send_by = clock.monotonic() + 0.05
            with pytest.raises(UnavailableError, match="gave no connection in time"):
                await connection.request("POST", "/jobs", body=b"{}", send_by=send_by)
            release.set()
            await asyncio.gather(*busy)
        assert [request.method for request in server.requests] == ["GET", "GET"]
