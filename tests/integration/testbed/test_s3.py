"""The S3 server of the testbed is what its description says, and survives what tests do to it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import ClientError
from types_aiobotocore_s3 import S3Client

from tools.testbed.description import S3Description
from tools.testbed.processes import recorded
from tools.testbed.s3.server import S3Server

pytestmark = pytest.mark.integration


@asynccontextmanager
async def _client(
    server: S3Description, *keys: str, region: str | None = None
) -> AsyncIterator[S3Client]:
    key_id, secret = keys or (server.access_key_id, server.secret_access_key)
    async with get_session().create_client(
        "s3",
        endpoint_url=server.endpoint,
        region_name=region or server.region,
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        config=AioConfig(s3={"addressing_style": "path"}, signature_version="s3v4"),
    ) as client:
        yield client


async def test_its_first_user_puts_and_whoever_has_the_url_gets(
    s3_server: S3Description,
) -> None:
    bucket, key = s3_server.bucket, "algorithm=a/by-url"
    async with _client(s3_server) as s3:
        await s3.put_object(Bucket=bucket, Key=key, Body=b"payload")
        url = await s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key})

    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert await response.read() == b"payload"


async def test_its_other_user_is_denied(s3_server: S3Description) -> None:
    other = (s3_server.denied_access_key_id, s3_server.denied_secret_access_key)
    async with _client(s3_server, *other) as s3:
        with pytest.raises(ClientError, match="AccessDenied"):
            await s3.put_object(Bucket=s3_server.bucket, Key="mine", Body=b"")


async def test_a_signature_for_another_region_is_refused_by_name(
    s3_server: S3Description,
) -> None:
    async with _client(s3_server, region="us-east-1") as s3:
        thing = {"Bucket": s3_server.bucket, "Key": "anything"}
        url = await s3.generate_presigned_url("get_object", Params=thing)

    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert "AuthorizationQueryParametersError" in await response.text()


async def test_a_host_that_begins_with_the_bucket_leads_to_it(s3_server: S3Description) -> None:
    async with _client(s3_server) as s3:
        await s3.put_object(Bucket=s3_server.bucket, Key="by-host", Body=b"")
    host = s3_server.virtual_host_endpoint.removeprefix("http://")

    named = {"Host": f"{s3_server.bucket}.{host}"}
    address = f"{s3_server.endpoint}/by-host"
    async with aiohttp.ClientSession() as session, session.get(address, headers=named) as response:
        # Found, and not for everybody. Without the host, it would be a bucket that is not there.
        assert "<Code>AccessDenied</Code>" in await response.text()


@pytest.fixture
async def own_server(tmp_path: Path) -> AsyncIterator[S3Server]:
    yield S3Server(tmp_path)
    for process in recorded(tmp_path):
        await process.kill()


# So that it is skipped where a testbed can't be.
@pytest.mark.usefixtures("s3_server")
async def test_a_killed_server_has_its_objects_when_it_is_back(own_server: S3Server) -> None:
    killed = await own_server.start()
    async with _client(killed) as s3:
        await s3.put_object(Bucket=killed.bucket, Key="kept", Body=b"said")

    await own_server.kill()
    assert not own_server.alive
    back = await own_server.start()

    assert back.endpoint == killed.endpoint
    async with _client(back) as s3:
        answer = await s3.get_object(Bucket=back.bucket, Key="kept")
        assert await answer["Body"].read() == b"said"
