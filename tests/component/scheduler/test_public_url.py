"""Clients that reach the scheduler elsewhere than algorithms do."""

from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from nexus_core.domain.job_manifest import PAYLOAD_URL_VARIABLE, RESULT_UPLOAD_URL_VARIABLE
from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import Stage
from nexus_core.ports.payload_store import Content
from support.services import World


@pytest.fixture
def public_url(world: World) -> str:
    """The same scheduler by another name."""
    return f"http://localhost:{urlsplit(world.scheduler_url).port}"


async def environment(world: World, key: RunKey) -> dict[str, str]:
    job = await world.stores.store.find_job(key)
    assert job is not None
    (container,) = msgspec.json.decode(job.manifest)["spec"]["template"]["spec"]["containers"]
    return {variable["name"]: variable["value"] for variable in container["env"]}


async def test_a_client_is_led_to_a_result_where_it_reaches_the_scheduler(
    world: World, public_url: str
) -> None:
    async with world.scheduler(public_url=public_url) as url, world.receiver() as receiver:
        key = await world.run(url)
        await world.stores.payloads.put(Content.RESULT, key, b'"done"')
        path = f"{key.algorithm}/requests/{key.request_id}"
        async with world.session.post(
            f"{receiver}/algorithm/v1/complete/{path}", json={}
        ) as answer:
            assert answer.status == 202
        await world.reaches(key, Stage.COMPLETED)
        async with world.session.get(f"{url}/algorithm/v1/results/{path}") as answer:
            said: dict[str, Any] = await answer.json()
        assert said["resultUri"].startswith(f"{public_url}/data/v1/results/")
        async with world.session.get(said["resultUri"]) as answer:
            assert (answer.status, await answer.read()) == (200, b'"done"')


async def test_a_client_is_led_to_a_payload_where_it_reaches_the_scheduler(
    world: World, public_url: str
) -> None:
    async with world.scheduler(public_url=f"{public_url}/") as url:
        key = await world.run(url)
        path = f"/algorithm/v1/payload/{key.algorithm}/requests/{key.request_id}"
        async with world.session.get(url + path, allow_redirects=False) as answer:
            location = answer.headers["Location"]
        assert location.startswith(f"{public_url}/data/v1/payloads/")
        async with world.session.get(location) as answer:
            assert await answer.json() == {"name": "world"}


async def test_algorithms_go_on_to_use_the_url_that_is_theirs(
    world: World, public_url: str
) -> None:
    async with world.scheduler(public_url=public_url) as url:
        told = await environment(world, await world.run(url))
    for variable in (PAYLOAD_URL_VARIABLE, RESULT_UPLOAD_URL_VARIABLE, "NEXUS__SCHEDULER_URL"):
        assert told[variable].startswith(world.scheduler_url)
