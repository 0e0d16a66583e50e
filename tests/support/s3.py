"""Payload stores in the bucket of the testbed, each test in a part of it."""

import uuid
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple

import msgspec
from aiobotocore.session import get_session

from nexus_core.adapters.s3.location import Location
from nexus_core.adapters.s3.payload_store import S3PayloadStore
from nexus_core.adapters.s3.settings import SMALLEST_PART, S3Settings
from nexus_core.aio.clock import SystemClock
from nexus_core.domain.data_urls import SignedUrls
from nexus_core.ports.clock import Clock
from nexus_core.settings.payloads import S3Buffer
from nexus_core.settings.values import Secret
from tools.testbed.description import S3Description
from tools.testbed.s3.server import S3Server

SCHEDULER_URL = "http://127.0.0.1:8080"


class OwnServer(NamedTuple):
    """A server that a test may end."""

    server: S3Server
    description: S3Description
    settings: S3Settings


def a_prefix() -> str:
    """Return a part of a bucket that nobody else uses."""
    return f"tests/{uuid.uuid4()}"


def s3_settings(server: S3Description, prefix: str = "tests", **changes: Any) -> S3Settings:
    """Return what leads to the testbed's bucket; parts are as small as can be."""
    settings = S3Settings(
        location=Location(server.bucket, prefix),
        endpoint=server.endpoint,
        region=server.region,
        access_key_id=server.access_key_id,
        secret_access_key=Secret(server.secret_access_key),
        part_size=SMALLEST_PART,
    )
    return msgspec.structs.replace(settings, **changes)


def s3_section(server: S3Description, prefix: str, **changes: Any) -> S3Buffer:
    """Return the settings of services that lead there."""
    section = S3Buffer(
        payload_storage_path=f"s3a://{server.bucket}/{prefix}",
        endpoint=server.endpoint,
        region=server.region,
        access_key_id=server.access_key_id,
        secret_access_key=Secret(server.secret_access_key),
    )
    return msgspec.structs.replace(section, **changes)


def open_s3_store(
    settings: S3Settings, clock: Clock | None = None
) -> AbstractAsyncContextManager[S3PayloadStore]:
    """Open a store; servers refuse requests whose clock stands still, URLs apart."""
    urls = SignedUrls(SCHEDULER_URL, b"a secret of tests")
    return S3PayloadStore.open(settings, urls, clock or SystemClock())


async def open_uploads(server: S3Description, prefix: str) -> list[str]:
    """Return the keys of uploads that were begun below a prefix, and not ended."""
    async with get_session().create_client(
        "s3",
        endpoint_url=server.endpoint,
        region_name=server.region,
        aws_access_key_id=server.access_key_id,
        aws_secret_access_key=server.secret_access_key,
    ) as client:
        listed = await client.list_multipart_uploads(Bucket=server.bucket, Prefix=prefix)
    return [upload["Key"] for upload in listed.get("Uploads", [])]
