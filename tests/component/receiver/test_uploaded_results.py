"""A success that names no result points at what was uploaded."""

from typing import Any

from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import Stage
from support.calls import Client
from support.receiver_client import ReceiverClient
from support.services import World
from support.stored_runs import store_run
from support.waiting import until


async def upload_url(world: World, key: RunKey) -> str:
    """Return the URL that the run's Job was given."""
    await until(lambda: key in world.cluster.manifests)
    (container,) = world.cluster.manifests[key]["spec"]["template"]["spec"]["containers"]
    variables = {variable["name"]: variable["value"] for variable in container["env"]}
    return str(variables["NEXUS__RESULT_UPLOAD_URL"])


async def result(client: Client, key: RunKey) -> Any:
    return (
        await client.get(f"/algorithm/v1/results/{key.algorithm}/requests/{key.request_id}")
    ).json()


async def test_an_uploaded_result_is_served_by_a_signed_url(
    world: World, client: Client, receiver: ReceiverClient
) -> None:
    key = await world.run(client.url)
    body = b'{"length": 7542}\xff\x00'
    stored = await client.call("PUT", await upload_url(world, key), data=body)
    assert stored.status == 200

    await receiver.complete(key)

    told = await result(client, key)
    assert told["status"] == "COMPLETED"
    async with world.session.get(told["resultUri"]) as served:
        assert (served.status, await served.read()) == (200, body)


async def test_a_result_that_is_named_wins_over_what_was_uploaded(
    world: World, client: Client, receiver: ReceiverClient
) -> None:
    key = await world.run(client.url)
    await client.call("PUT", await upload_url(world, key), data=b"uploaded")

    await receiver.complete(key, resultUri="s3a://results/1")

    assert (await result(client, key))["resultUri"] == "s3a://results/1"


async def test_a_failure_does_not_point_at_what_was_uploaded(
    world: World, client: Client, receiver: ReceiverClient
) -> None:
    key = await world.run(client.url)
    await client.call("PUT", await upload_url(world, key), data=b"half of it")

    await receiver.complete(key, errorCause="Broken")

    told = await result(client, key)
    assert (told["status"], told["resultUri"]) == ("FAILED", "")


async def test_a_success_without_any_result_has_none(
    world: World, client: Client, receiver: ReceiverClient
) -> None:
    key = await store_run(world, Stage.RUNNING)

    await receiver.complete(key)

    told = await result(client, key)
    assert (told["status"], told["resultUri"]) == ("COMPLETED", "")
