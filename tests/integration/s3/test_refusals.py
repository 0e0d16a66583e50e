"""What a store says of a server that refuses: one line, with the thing and the setting in it."""

import shutil
import ssl
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from nexus_core.adapters.s3.addresses import Addressing, BucketAddress
from nexus_core.adapters.s3.location import Location
from nexus_core.adapters.s3.payload_store import S3PayloadStore
from nexus_core.adapters.s3.signatures import Credentials, Request, Signer
from nexus_core.aio.clock import SystemClock
from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.names import RunKey
from nexus_core.ports.payload_store import Content
from support.s3 import open_s3_store, s3_settings
from tools.testbed.certificates import Authority
from tools.testbed.description import S3Description

pytestmark = pytest.mark.integration

KEY = RunKey("hello-world", str(uuid.uuid4()))

OPERATIONS: dict[str, Callable[[S3PayloadStore], Awaitable[Any]]] = {
    "ping": lambda store: store.ping(),
    "put": lambda store: store.put(Content.PAYLOAD, KEY, b"{}"),
    "get": lambda store: store.get(Content.PAYLOAD, KEY),
    "size": lambda store: store.size(Content.PAYLOAD, KEY),
    "delete": lambda store: store.delete(Content.PAYLOAD, KEY),
}


def wrong(server: S3Description) -> dict[str, tuple[dict[str, Any], str]]:
    """Return settings that are wrong, and what is then said."""
    denied = {
        "access_key_id": server.denied_access_key_id,
        "secret_access_key": server.denied_secret_access_key,
    }
    return {
        "bucket": (
            {"location": Location("no-such-bucket")},
            r"bucket 'no-such-bucket' at http://.*: there is no such bucket; .*storage-path",
        ),
        "region": (
            {"region": "us-west-2"},
            rf"not in region 'us-west-2'; it is in '{server.region}'; see s3-buffer\.region",
        ),
        "rights": (denied, r"access denied; the access key needs the rights"),
        "key": ({"access_key_id": "AKIANOBODY"}, r"no such access key; see s3-buffer\.access-key"),
        "secret": (
            {"secret_access_key": "guessed"},
            r"the secret does not belong to the access key; see s3-buffer\.secret-access-key",
        ),
        "token": ({"session_token": "made up"}, r"the session token does not belong"),
        "tls": (
            {"endpoint": server.endpoint.replace("http:", "https:")},
            r"TLS fails: .*; see s3-buffer\.endpoint",
        ),
    }


@pytest.mark.parametrize(
    ("what", "operation"),
    [
        (what, operation)
        for what in ("bucket", "region", "rights", "key", "secret", "token", "tls")
        for operation in OPERATIONS
        # An answer to HEAD can't tell a missing bucket from a missing object.
        if (what, operation) != ("bucket", "size")
    ],
)
async def test_what_is_wrong_is_said_in_one_line(
    s3_server: S3Description, prefix: str, what: str, operation: str
) -> None:
    changes, said = wrong(s3_server)[what]
    async with open_s3_store(s3_settings(s3_server, prefix, **changes)) as store:
        with pytest.raises(UnavailableError, match=said) as caught:
            await OPERATIONS[operation](store)
    assert "\n" not in str(caught.value)


async def test_a_body_that_changed_on_its_way_is_refused(
    s3_server: S3Description, prefix: str, store: S3PayloadStore, plain: aiohttp.ClientSession
) -> None:
    address = BucketAddress.of(s3_server.endpoint, s3_server.bucket, Addressing.AUTO)
    key = Location(s3_server.bucket, prefix).key(Content.PAYLOAD, KEY)
    headers = Signer(address, s3_server.region).headers(
        Credentials(s3_server.access_key_id, s3_server.secret_access_key),
        Request("PUT", key),
        sha256(b"as it was signed").hexdigest(),
        SystemClock().now(),
    )
    url = address.origin + address.path_of(key)
    async with plain.put(url, data=b"as it arrived...", headers=headers) as answer:
        assert answer.status == 400
        assert b"XAmzContentSHA256Mismatch" in await answer.read()
    assert await store.get(Content.PAYLOAD, KEY) is None


@pytest.fixture
async def tls_door(s3_server: S3Description, tmp_path: Path) -> AsyncIterator[tuple[str, Path]]:
    """A door with TLS in front of the server; its URL, and the certificate of its authority."""
    authority = Authority(tmp_path / "ca")
    issued = authority.issue("door")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(issued.certificate, issued.key)

    async def forward(request: web.Request) -> web.Response:
        # The host is signed, so it goes along as it came.
        url = s3_server.endpoint + request.raw_path
        body, headers = await request.read(), request.headers
        async with session.request(request.method, url, data=body, headers=headers) as answer:
            kept = {k: v for k, v in answer.headers.items() if k in {"ETag", "Content-Type"}}
            return web.Response(status=answer.status, body=await answer.read(), headers=kept)

    app = web.Application()
    app.router.add_route("*", "/{any:.*}", forward)
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        _, port = runner.addresses[0]
        yield f"https://127.0.0.1:{port}", authority.certificate
        await runner.cleanup()


async def test_a_certificate_of_ones_own_authority_is_trusted_when_told_so(
    s3_server: S3Description, prefix: str, tls_door: tuple[str, Path]
) -> None:
    endpoint, ca = tls_door
    settings = s3_settings(s3_server, prefix, endpoint=endpoint, ca_file=str(ca))
    async with open_s3_store(settings) as store:
        await store.ping()
        await store.put(Content.PAYLOAD, KEY, b"{}")
        await store.put(Content.RESULT, KEY, bytes(400_000))
        stored = await store.get(Content.RESULT, KEY)
        assert stored is not None
        assert b"".join([chunk async for chunk in stored.chunks]) == bytes(400_000)


async def test_another_authority_is_trusted_once_it_is_in_the_file(
    s3_server: S3Description, prefix: str, tls_door: tuple[str, Path], tmp_path: Path
) -> None:
    endpoint, ca = tls_door
    file = tmp_path / "ca.crt"
    shutil.copy(Authority(tmp_path / "before").certificate, file)
    settings = s3_settings(s3_server, prefix, endpoint=endpoint, ca_file=str(file))
    async with open_s3_store(settings) as store:
        with pytest.raises(UnavailableError, match="its certificate is not trusted"):
            await store.ping()
        shutil.copy(ca, file)
        with pytest.raises(UnavailableError, match="its certificate is not trusted"):
            await store.ping()  # which finds the file changed
        await store.ping()


async def test_a_certificate_of_nobody_known_is_not_trusted(
    s3_server: S3Description, prefix: str, tls_door: tuple[str, Path]
) -> None:
    endpoint, _ = tls_door
    async with open_s3_store(s3_settings(s3_server, prefix, endpoint=endpoint)) as store:
        said = r"its certificate is not trusted: .*; see s3-buffer\.ca-file"
        for operation in OPERATIONS.values():
            with pytest.raises(UnavailableError, match=said):
                await operation(store)
