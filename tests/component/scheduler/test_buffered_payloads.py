"""Payloads serialized to the `backend`, where that is another place than the payload store.

That place is a second folder here: what a scheduler does with it is the same on every store.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest

from nexus_core.adapters.folder.payload_store import FolderPayloadStore
from nexus_core.domain.errors import InvalidInputError
from nexus_core.domain.names import RunKey
from nexus_core.domain.template import PayloadConfiguration
from nexus_core.ports.payload_store import Content, PayloadStore
from support.calls import Client
from support.services import World
from support.trouble import Trouble


async def body(store: PayloadStore, key: RunKey) -> bytes | None:
    found = await store.get(Content.PAYLOAD, key)
    return b"".join([chunk async for chunk in found.chunks]) if found else None


@pytest.fixture
async def buffer(world: World, tmp_path: Path) -> AsyncIterator[PayloadStore]:
    """A world in which `hello-world` says `backend`, and `other` says nothing."""
    template = world.catalogue.template("hello-world")
    assert template is not None
    world.catalogue.put("other", template.spec)
    backend = PayloadConfiguration(payload_serialization="backend")
    world.catalogue.put(
        "hello-world", msgspec.structs.replace(template.spec, payload_configuration=backend)
    )
    urls, clock = world.stores.urls, world.clock
    async with FolderPayloadStore.open(tmp_path / "buffer", urls, clock) as store:
        world.stores = replace(world.stores, buffered_payloads=store)
        yield store


async def test_a_payload_goes_to_where_its_template_says(
    world: World, buffer: PayloadStore
) -> None:
    async with world.scheduler() as url:
        told, other = await world.run(url), await world.run(url, "other")

    payloads = world.stores.payloads
    assert (await body(buffer, told), await body(payloads, told)) == (b'{"name": "world"}', None)
    assert (await body(buffer, other), await body(payloads, other)) == (None, b'{"name": "world"}')


async def test_it_is_read_by_the_url_of_its_job_and_by_that_of_a_client(
    world: World, buffer: PayloadStore
) -> None:
    async with world.scheduler() as url:
        api = Client(world.session, url)
        key = await world.run(url)
        record = await world.stores.store.find(key)
        assert record is not None
        assert await buffer.size(Content.PAYLOAD, key)
        redirect = await api.get(f"/algorithm/v1/payload/{key.algorithm}/requests/{key.request_id}")
        for signed in (record.payload_uri, redirect.headers["Location"]):
            assert urlsplit(signed).path.startswith("/data/v1/payloads/")
            answer = await api.get(signed)
            assert (answer.status, answer.body) == (200, b'{"name": "world"}')


@pytest.mark.parametrize("algorithm", ["hello-world", "other"])
async def test_a_payload_is_found_wherever_an_earlier_release_put_it(
    world: World, buffer: PayloadStore, algorithm: str
) -> None:
    async with world.scheduler() as url:
        api = Client(world.session, url)
        key = await world.run(url, algorithm)
        record = await world.stores.store.find(key)
        assert record is not None
        places = (buffer, world.stores.payloads)
        for here, there in (places, places[::-1]):
            await here.put(Content.PAYLOAD, key, b'{"moved": true}')
            await there.delete(Content.PAYLOAD, key)
            assert (await api.get(record.payload_uri)).body == b'{"moved": true}'


async def test_a_payload_that_is_nowhere_is_not_found(world: World, buffer: PayloadStore) -> None:
    async with world.scheduler() as url:
        key = await world.run(url)
        record = await world.stores.store.find(key)
        assert record is not None
        await buffer.delete(Content.PAYLOAD, key)
        assert (await Client(world.session, url).get(record.payload_uri)).status == 404


@pytest.mark.parametrize(("algorithm", "status"), [("hello-world", 503), ("other", 200)])
async def test_while_the_buffer_is_away_what_the_payload_store_has_is_served(
    world: World, buffer: PayloadStore, algorithm: str, status: int
) -> None:
    trouble = Trouble()
    troubled = trouble.befalls(replace(world.stores, payloads=buffer)).payloads
    world.stores = replace(world.stores, buffered_payloads=troubled)
    async with world.scheduler() as url:
        key = await world.run(url, algorithm)
        record = await world.stores.store.find(key)
        assert record is not None
        trouble.breaks("get")
        assert (await Client(world.session, url).get(record.payload_uri)).status == status


async def test_a_payload_that_does_not_fit_is_the_fault_of_its_request(
    world: World, buffer: PayloadStore
) -> None:
    trouble = Trouble()
    trouble.breaks("put", error=InvalidInputError("too large for a row"))
    troubled = trouble.befalls(replace(world.stores, payloads=buffer)).payloads
    world.stores = replace(world.stores, buffered_payloads=troubled)
    async with world.scheduler() as url:
        answer = await Client(world.session, url).call(
            "POST", "/algorithm/v1/run/hello-world", json={"algorithmParameters": {}}
        )
    assert (answer.status, answer.text) == (400, "too large for a row")
