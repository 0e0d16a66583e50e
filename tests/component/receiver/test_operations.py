"""What operators see of a receiver."""

import uuid
from dataclasses import replace

from nexus_core import __version__
from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import Stage
from nexus_core.settings.values import Secret
from support.calls import Client
from support.receiver_client import ReceiverClient, metric
from support.services import World
from support.stored_runs import store_run
from support.trouble import Trouble


async def test_probes_need_no_token(world: World) -> None:
    async with world.receiver(api_tokens=(Secret("token"),)) as url:
        for path in ("/livez", "/readyz", "/metrics"):
            assert (await Client(world.session, url).get(path)).status == 200


async def test_readiness_names_each_part(receiver: ReceiverClient) -> None:
    reply = await receiver.get("/readyz")

    assert reply.json() == {
        "ready": True,
        "version": __version__,
        "parts": {
            "checkpoint-store": {"ready": True},
            "payload-store": {"ready": True, "required": False},
        },
    }


async def test_a_receiver_takes_completions_though_no_payload_store_answers(
    world: World,
) -> None:
    of_payloads = Trouble()
    of_payloads.breaks("ping")
    world.stores = replace(world.stores, payloads=of_payloads.befalls(world.stores).payloads)
    async with world.receiver() as url:
        ready = await ReceiverClient(world.session, url).get("/readyz")
    assert ready.status == 200
    assert ready.json()["parts"]["payload-store"]["ready"] is False


async def test_metrics_tell_of_each_part_as_it_is_now(world: World, trouble: Trouble) -> None:
    store = 'nexus_part_ready{part="checkpoint-store",required="true"}'
    async with world.receiver() as url:
        client = Client(world.session, url)
        well = (await client.get("/metrics")).text
        trouble.breaks("ping")
        ill = (await client.get("/metrics")).text
    assert f"{store} 1.0" in well
    assert f"{store} 0.0" in ill
    assert 'nexus_part_ready{part="payload-store",required="false"} 0.0' in ill


async def test_a_receiver_whose_store_is_away_is_alive_and_not_ready(
    receiver: ReceiverClient, trouble: Trouble
) -> None:
    trouble.breaks("ping")

    ready = await receiver.get("/readyz")
    alive = await receiver.get("/livez")

    assert (ready.status, alive.status) == (503, 200)
    assert ready.json()["parts"]["checkpoint-store"] == {
        "ready": False,
        "reason": "the store is away",
    }


async def test_completions_are_counted_by_effect_and_requests_by_endpoint(
    world: World, receiver: ReceiverClient
) -> None:
    key = await store_run(world, Stage.RUNNING)
    await receiver.complete(key)
    await receiver.complete(key)
    await receiver.report(RunKey("hello-world", str(uuid.UUID(int=7))), json={})

    async def count(name: str, **labels: str) -> float:
        return await metric(receiver, name, **labels)

    assert await count("nexus_receiver_completions_total", effect="changed") == 1
    assert await count("nexus_receiver_completions_total", effect="late") == 1
    endpoint = "/algorithm/v1/complete/{algorithmName}/requests/{requestId}"
    for status, requests in (("202", 2), ("404", 1)):
        counted = await count(
            "nexus_http_request_duration_seconds_count", endpoint=endpoint, status=status
        )
        assert counted == requests


async def test_the_document_describes_both_routes(receiver: ReceiverClient) -> None:
    document = (await receiver.get("/openapi.json")).json()

    described = set(document["paths"])
    assert "/algorithm/v1/complete/{algorithmName}/requests/{requestId}" in described
    assert "/algorithm/v1/check/{algorithmName}/requests/{requestId}" in described
