"""Buckets that are named by the host."""

import socket
import uuid
from datetime import timedelta
from hashlib import sha256

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from nexus_core.adapters.s3.addresses import Addressing, BucketAddress
from nexus_core.adapters.s3.signatures import Credentials, Request, Signer
from nexus_core.aio.clock import SystemClock
from nexus_core.domain.names import RunKey
from nexus_core.ports.payload_store import Content
from support.s3 import OwnServer, open_s3_store, s3_settings

pytestmark = pytest.mark.integration

HOUR = timedelta(hours=1)


class Loopback(AbstractResolver):
    """Finds every name on this machine: not all systems know those below `localhost`."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host, host="127.0.0.1", port=port, family=family, proto=0, flags=0
            )
        ]

    async def close(self) -> None:
        return


async def test_urls_and_requests_name_the_bucket_in_the_host(own: OwnServer) -> None:
    server, key = own.description, RunKey("hello-world", str(uuid.uuid4()))
    endpoint, virtual = server.virtual_host_endpoint, Addressing.VIRTUAL
    address = BucketAddress.of(endpoint, server.bucket, virtual)
    assert address.origin == endpoint.replace("localhost", f"{server.bucket}.localhost")
    settings = s3_settings(server, endpoint=endpoint, addressing=virtual)
    connector = aiohttp.TCPConnector(resolver=Loopback())
    async with (
        open_s3_store(settings) as store,
        aiohttp.ClientSession(connector=connector) as plain,
    ):
        upload = await store.upload_url(Content.RESULT, key, HOUR)
        download = await store.download_url(Content.RESULT, key, HOUR)
        assert upload.startswith(f"{address.origin}/tests/")
        async with plain.put(upload, data=b"answer") as answer:
            assert answer.status == 200
        async with plain.get(download) as answer:
            assert await answer.read() == b"answer"
        headers = Signer(address, server.region).headers(
            Credentials(server.access_key_id, server.secret_access_key),
            Request("GET", query={"list-type": "2", "prefix": "tests/"}),
            sha256(b"").hexdigest(),
            SystemClock().now(),
        )
        listed = f"{address.origin}/?list-type=2&prefix=tests%2F"
        async with plain.get(listed, headers=headers) as answer:
            assert answer.status == 200
            assert f"{key.request_id}.result" in await answer.text()
