"""Clients that reach the scheduler elsewhere than algorithms do, who are clients as well."""

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


async def has_completed(world: World, key: RunKey) -> None:
    await world.stores.payloads.put(Content.RESULT, key, b'"done"')
    path = f"algorithm/v1/complete/{key.algorithm}/requests/{key.request_id}"
    async with world.receiver() as url, world.session.post(f"{url}/{path}", json={}) as answer:
        assert answer.status == 202
    await world.reaches(key, Stage.COMPLETED)


async def result_uri(world: World, url: str, host: str = "") -> str:
    """Ask for a result, as if the URL named another host, if one is given."""
    headers = {"Host": host} if host else None
    async with world.session.get(url, headers=headers) as answer:
        said: dict[str, Any] = await answer.json()
    return str(said["resultUri"])


async def test_a_client_is_led_to_a_result_where_it_reaches_the_scheduler(
    world: World, public_url: str
) -> None:
    async with world.scheduler(public_url=public_url) as url:
        key = await world.run(url)
        await has_completed(world, key)
        path = f"/algorithm/v1/results/{key.algorithm}/requests/{key.request_id}"
        uri = await result_uri(world, public_url + path)
        assert uri.startswith(f"{public_url}/data/v1/results/")
        async with world.session.get(uri) as answer:
            assert (answer.status, await answer.read()) == (200, b'"done"')


async def test_a_client_is_led_to_a_payload_where_it_reaches_the_scheduler(
    world: World, public_url: str
) -> None:
    async with world.scheduler(public_url=f"{public_url}/") as url:
        key = await world.run(url)
        path = f"/algorithm/v1/payload/{key.algorithm}/requests/{key.request_id}"
        async with world.session.get(public_url + path, allow_redirects=False) as answer:
            location = answer.headers["Location"]
        assert location.startswith(f"{public_url}/data/v1/payloads/")
        async with world.session.get(location) as answer:
            assert await answer.json() == {"name": "world"}


async def test_an_algorithm_that_asks_for_the_result_of_another_run_is_led_there_as_ever(
    world: World, public_url: str
) -> None:
    async with world.scheduler(public_url=public_url) as url:
        key = await world.run(url)
        await has_completed(world, key)
        path = f"/algorithm/v1/results/{key.algorithm}/requests/{key.request_id}"
        uris = [
            await result_uri(world, base + path, host)
            for base, host in [
                (url, ""),
                (public_url, ""),
                # None of these is one that an answer may lead to.
                (url, "elsewhere.example.com"),
                (url, "127.0.0.1:99999"),
            ]
        ]
    assert uris[0].startswith(f"{url}/data/v1/results/")
    assert all(uri.startswith(f"{public_url}/data/v1/results/") for uri in uris[1:])


async def test_runs_of_a_tag_are_led_to_like_one(world: World, public_url: str) -> None:
    async with world.scheduler(public_url=public_url) as url:
        key = await world.run(url, tag="mine")
        await has_completed(world, key)
        async with world.session.get(f"{public_url}/algorithm/v1/results/tags/mine") as answer:
            (said,) = await answer.json()
    assert said["resultUri"].startswith(f"{public_url}/data/v1/results/")


async def test_algorithms_go_on_to_use_the_url_that_is_theirs(
    world: World, public_url: str
) -> None:
    async with world.scheduler(public_url=public_url) as url:
        told = await environment(world, await world.run(url))
    for variable in (PAYLOAD_URL_VARIABLE, RESULT_UPLOAD_URL_VARIABLE, "NEXUS__SCHEDULER_URL"):
        assert told[variable].startswith(world.scheduler_url)
