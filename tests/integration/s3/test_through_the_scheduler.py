"""A scheduler on a bucket: where its URLs lead, and what it serves itself."""

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nexus_core.domain.job_manifest import PAYLOAD_URL_VARIABLE, RESULT_UPLOAD_URL_VARIABLE
from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import Stage
from nexus_core.ports.payload_store import Content
from nexus_core.settings.payloads import RequestPayloadProxyConfiguration
from nexus_core.settings.values import Secret
from support.s3 import s3_section
from support.services import World, open_world
from tools.testbed.description import S3Description

pytestmark = pytest.mark.integration

PAYLOAD = b'{"name":"world"}'


@pytest.fixture(params=["presigned", "proxied"])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def world(
    tmp_path: Path, s3_server: S3Description, prefix: str, mode: str
) -> AsyncIterator[World]:
    section = s3_section(s3_server, prefix, payload_urls=mode)
    async with open_world(tmp_path, s3_buffer=section) as world:
        yield world


async def told_to(world: World, key: RunKey) -> dict[str, str]:
    """Return the environment of a run's Job."""
    job = await world.stores.store.find_job(key)
    assert job is not None
    (container,) = msgspec.json.decode(job.manifest)["spec"]["template"]["spec"]["containers"]
    return {variable["name"]: variable["value"] for variable in container["env"]}


async def test_an_algorithm_reads_and_answers_without_credentials(
    world: World, s3_server: S3Description, mode: str
) -> None:
    async with world.scheduler() as url:
        key = await world.run(url)
        told = await told_to(world, key)
        leads_to = s3_server.endpoint if mode == "presigned" else url
        assert told[PAYLOAD_URL_VARIABLE].startswith(f"{leads_to}/")
        assert told[RESULT_UPLOAD_URL_VARIABLE].startswith(f"{leads_to}/")
        async with world.session.get(told[PAYLOAD_URL_VARIABLE]) as answer:
            assert (answer.status, answer.content_type) == (200, "application/json")
            assert msgspec.json.decode(await answer.read()) == msgspec.json.decode(PAYLOAD)
        result = bytes(range(256)) * 40_000
        upload = io.BytesIO(result)
        async with world.session.put(told[RESULT_UPLOAD_URL_VARIABLE], data=upload) as answer:
            assert answer.status == 200
        await world.reaches(key, Stage.RUNNING)
        await complete(world, key)
        await world.reaches(key, Stage.COMPLETED)
        assert await result_of(world, url, key) == result


async def test_a_client_is_redirected_to_the_payload(world: World) -> None:
    async with world.scheduler() as url:
        key = await world.run(url)
        path = f"/algorithm/v1/payload/{key.algorithm}/requests/{key.request_id}"
        async with world.session.get(url + path) as answer:
            assert len(answer.history) == 1
            assert msgspec.json.decode(await answer.read()) == msgspec.json.decode(PAYLOAD)


async def test_the_scheduler_is_ready_with_its_bucket(world: World) -> None:
    async with world.scheduler() as url, world.session.get(f"{url}/readyz") as answer:
        parts = (await answer.json())["parts"]
    assert parts["payload-store"] == {"ready": True}


async def test_a_missing_bucket_is_named_at_readiness_and_refuses_runs(
    tmp_path: Path, s3_server: S3Description
) -> None:
    section = s3_section(s3_server, "x", payload_storage_path="s3a://no-such-bucket/x")
    async with open_world(tmp_path, s3_buffer=section) as world, world.scheduler() as url:
        async with world.session.get(f"{url}/readyz") as answer:
            assert answer.status == 503
            reason = (await answer.json())["parts"]["payload-store"]["reason"]
        assert reason.startswith("bucket 'no-such-bucket' at http://")
        body: dict[str, Any] = {"algorithmParameters": {}}
        async with world.session.post(f"{url}/algorithm/run/hello-world", json=body) as answer:
            assert answer.status == 503


async def test_settings_of_a_go_deployment_are_served_as_they_are(
    tmp_path: Path, s3_server: S3Description, prefix: str
) -> None:
    proxy = RequestPayloadProxyConfiguration(
        sign_secret=Secret("a secret of theirs"),
        tenant_id="00000000-0000-0000-0000-000000000000",
        serve_path_template="/data/v1/payloads/%s/requests/%s",
    )
    section = s3_section(s3_server, prefix, request_payload_proxy_configuration=proxy)
    async with open_world(tmp_path, s3_buffer=section) as world, world.scheduler() as url:
        key = await world.run(url)
        payload_url = (await told_to(world, key))[PAYLOAD_URL_VARIABLE]
        path = f"/data/v1/payloads/{key.algorithm}/requests/{key.request_id}?"
        assert payload_url.startswith(f"{url}{path}")
        assert "&tid=00000000-0000-0000-0000-000000000000&" in payload_url
        async with world.session.get(payload_url) as answer:
            assert answer.status == 200
        async with world.session.get(payload_url.replace("sig=", "sig=x")) as answer:
            assert answer.status == 403


async def complete(world: World, key: RunKey) -> None:
    path = f"/algorithm/v1/complete/{key.algorithm}/requests/{key.request_id}"
    async with (
        world.receiver() as url,
        world.session.post(url + path, json={}) as answer,
    ):
        assert answer.status == 202


async def result_of(world: World, url: str, key: RunKey) -> bytes:
    """Fetch a result as clients do: by the URL that they are told."""
    path = f"/algorithm/v1/results/{key.algorithm}/requests/{key.request_id}"
    async with world.session.get(url + path) as answer:
        said: dict[str, Any] = await answer.json()
    async with asyncio.timeout(10), world.session.get(said["resultUri"]) as answer:
        assert answer.status == 200
        return await answer.read()


async def test_what_is_stored_lies_where_the_contract_says(
    world: World, s3_server: S3Description, prefix: str
) -> None:
    async with world.scheduler() as url:
        key = await world.run(url)
    uri = world.stores.payloads.uri(Content.PAYLOAD, key)
    place = f"{prefix}/algorithm={key.algorithm}/{key.request_id}"
    assert uri == f"s3a://{s3_server.bucket}/{place}"
