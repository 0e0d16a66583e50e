"""A standalone whose payloads are in S3: from the request over HTTP to the result."""

from pathlib import Path

import aiohttp
import pytest

from support.standalone import a_standalone
from tools.testbed.description import S3Description

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("mode", ["presigned", "proxied"])
async def test_a_run_reads_and_answers_through_the_bucket(
    s3_server: S3Description, prefix: str, tmp_path: Path, plain: aiohttp.ClientSession, mode: str
) -> None:
    bucket = {
        "PAYLOAD_STORAGE_PATH": f"s3a://{s3_server.bucket}/{prefix}",
        "ENDPOINT": s3_server.endpoint,
        "REGION": s3_server.region,
        "ACCESS_KEY_ID": s3_server.access_key_id,
        "SECRET_ACCESS_KEY": s3_server.secret_access_key,
        "PAYLOAD_URLS": mode,
    }
    async with a_standalone(tmp_path) as standalone:
        await standalone.start(**{f"NEXUS__S3_BUFFER__{key}": said for key, said in bucket.items()})
        body = {"algorithmParameters": {"name": "Ada"}}
        request_id = await standalone.submit("hello-world", body)
        result = await standalone.finished("hello-world", request_id)
        assert result["status"] == "COMPLETED"
        leads_to = s3_server.endpoint if mode == "presigned" else standalone.url
        assert result["resultUri"].startswith(f"{leads_to}/")
        async with plain.get(result["resultUri"]) as answer:
            assert await answer.json(content_type=None) == {"greeting": "Hello, Ada!"}
