"""Cancelling runs, and the runs below them."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.names import RunKey
from nexus_core.domain.request import CancellationPolicy, ParentReference
from nexus_core.domain.stages import FINISHED_STAGES, Stage
from nexus_core.settings.payloads import BufferConfig, S3Buffer
from support.calls import PROBLEM, TEXT, Answer, Client, of
from support.meddling import meddled
from support.runs import a_buffered_job, a_checkpoint
from support.services import World
from support.waiting import until

LONG_TAG = b'{"newTag": "%b"}' % (b"x" * 1025)
ONE_WORKER = S3Buffer(buffer_config=BufferConfig(workers=1))


async def cancel(api: Client, key: RunKey, version: str = "", **body: str) -> Answer:
    return await api.post(f"/algorithm{version}/cancel/{of(key)}", body)


def child_of(parent: RunKey) -> dict[str, Any]:
    return {"parentRequest": {"requestId": parent.request_id, "algorithmName": parent.algorithm}}


async def test_a_run_that_is_cancelled_in_the_queue_never_gets_a_job(world: World) -> None:
    world.cluster.open_gate.clear()
    async with world.scheduler(s3_buffer=ONE_WORKER) as url:
        api = Client(world.session, url)
        first, cancelled, last = [await world.run(url) for _ in range(3)]
        assert (await cancel(api, cancelled, initiator="me", reason="a typing error")).status == 200
        world.cluster.open_gate.set()
        await world.reaches(last, Stage.RUNNING)
        shown = (await api.get(f"/algorithm/metadata/{of(cancelled)}")).json()
    assert list(world.cluster.creations) == [first, last]
    assert shown["lifecycle_stage"] == "CANCELLED"
    assert "me" in shown["algorithm_failure_cause"]
    assert "a typing error" in shown["algorithm_failure_details"]


async def test_a_run_that_is_cancelled_while_its_job_is_made_keeps_no_job(world: World) -> None:
    world.cluster.open_gate.clear()
    async with world.scheduler() as url:
        key = await world.run(url)
        assert (await cancel(Client(world.session, url), key)).status == 200
        world.cluster.open_gate.set()
        await until(lambda: world.cluster.creations[key] and key not in world.cluster.living)
        assert await world.stage(key) is Stage.CANCELLED


@pytest.mark.parametrize("policy", [None, *CancellationPolicy])
async def test_the_job_of_a_running_run_is_deleted_in_the_way_that_was_asked_for(
    world: World, api: Client, policy: CancellationPolicy | None
) -> None:
    key = await world.run(api.url)
    await world.reaches(key, Stage.RUNNING)
    body = {"cancellationPolicy": policy.value} if policy else {}
    assert (await cancel(api, key, **body)).status == 200
    assert await world.stage(key) is Stage.CANCELLED
    assert world.cluster.deletions == [(key, policy or CancellationPolicy.BACKGROUND)]
    assert not world.cluster.living


async def test_a_run_that_was_never_buffered_can_be_cancelled(world: World, api: Client) -> None:
    foreign = a_checkpoint(lifecycle_stage=Stage.NEW)
    await world.stores.store.accept(foreign, None)
    assert (await cancel(api, foreign.key)).status == 200
    assert await world.stage(foreign.key) is Stage.CANCELLED


async def test_cancelling_twice_is_cancelling_once(world: World, api: Client) -> None:
    key = await world.run(api.url)
    answers = [await cancel(api, key, initiator=name, version="/v1") for name in ("one", "other")]
    assert [(answer.status, answer.body) for answer in answers] == [(200, b"")] * 2
    result = (await api.get(f"/algorithm/results/{of(key)}")).json()
    assert "one" in result["runErrorMessage"]


@pytest.mark.parametrize("stage", sorted(FINISHED_STAGES - {Stage.CANCELLED}))
async def test_a_run_that_has_finished_stays_as_it_is(
    world: World, api: Client, stage: Stage
) -> None:
    done = a_checkpoint(lifecycle_stage=stage)
    await world.stores.store.accept(done, a_buffered_job(done))
    v1, latest = await cancel(api, done.key, "/v1"), await cancel(api, done.key)
    assert (v1.status, v1.content_type) == (400, TEXT)
    assert (latest.status, latest.content_type) == (409, PROBLEM)
    assert await world.stage(done.key) is stage
    assert world.cluster.deletions == []


async def test_a_cluster_that_is_away_does_not_keep_a_run_from_being_cancelled(
    world: World, api: Client
) -> None:
    key = await world.run(api.url)
    await world.reaches(key, Stage.RUNNING)
    world.cluster.refusal = UnavailableError("not today")
    assert (await cancel(api, key)).status == 200
    assert await world.stage(key) is Stage.CANCELLED


# Runs below runs.


async def a_family(world: World, url: str) -> list[RunKey]:
    """Make a run, its child that runs, its child that has finished, and a child of either."""
    parent = await world.run(url)
    child = await world.run(url, **child_of(parent))
    finished = a_checkpoint(
        lifecycle_stage=Stage.COMPLETED,
        parent=ParentReference(request_id=parent.request_id, algorithm_name=parent.algorithm),
    )
    await world.stores.store.accept(finished, a_buffered_job(finished))
    grandchildren = [await world.run(url, **child_of(key)) for key in (child, finished.key)]
    family = [parent, child, *grandchildren]
    for key in family:
        await world.reaches(key, Stage.RUNNING)
    return [*family, finished.key]


async def test_all_runs_below_a_cancelled_one_are_cancelled(world: World, api: Client) -> None:
    *family, finished = await a_family(world, api.url)
    bystander = await world.run(api.url)
    await world.reaches(bystander, Stage.RUNNING)
    parent = family[0]
    answer = await cancel(api, parent, initiator="me", cancellationPolicy="Foreground")
    assert answer.status == 200
    assert {await world.stage(key) for key in family} == {Stage.CANCELLED}
    assert await world.stage(finished) is Stage.COMPLETED
    assert world.cluster.living == {bystander}
    assert {policy for _, policy in world.cluster.deletions} == {CancellationPolicy.FOREGROUND}
    result = (await api.get(f"/algorithm/results/{of(family[-1])}")).json()
    assert "me" in result["runErrorMessage"]
    assert str(parent) not in result["runErrorMessage"]
    assert "with its parent" in result["runErrorMessage"]


async def test_orphaned_runs_go_on(world: World, api: Client) -> None:
    parent, *below, _ = await a_family(world, api.url)
    assert (await cancel(api, parent, cancellationPolicy="Orphan")).status == 200
    assert await world.stage(parent) is Stage.CANCELLED
    assert {await world.stage(key) for key in below} == {Stage.RUNNING}
    assert world.cluster.living == set(below)


async def test_runs_that_name_each_other_as_parent_are_cancelled_and_no_more(
    world: World, api: Client
) -> None:
    # Nothing of ours writes such rows.
    rows = [a_checkpoint(), a_checkpoint()]
    for row, other in zip(rows, reversed(rows), strict=True):
        parent = ParentReference(request_id=other.id, algorithm_name=other.algorithm)
        await world.stores.store.accept(msgspec.structs.replace(row, parent=parent), None)
    assert (await cancel(api, rows[0].key)).status == 200
    assert {await world.stage(row.key) for row in rows} == {Stage.CANCELLED}


async def test_a_child_that_comes_while_its_parent_is_cancelled_gets_no_job(world: World) -> None:
    listed, gate = asyncio.Event(), asyncio.Event()
    index = world.stores.index

    async def list_and_hang(parent: RunKey) -> Sequence[RunKey]:
        children = await index.children(parent)
        listed.set()
        await gate.wait()
        return children

    world.stores = replace(world.stores, index=meddled(index, children=list_and_hang))
    async with world.scheduler() as url:
        api = Client(world.session, url)
        parent = await world.run(url)
        cancellation = asyncio.create_task(cancel(api, parent, initiator="me"))
        await listed.wait()
        child = await world.run(url, **child_of(parent))
        await world.reaches(child, Stage.CANCELLED)
        gate.set()
        assert (await cancellation).status == 200
    assert child not in world.cluster.creations


# Cancellations, and other commands, that are wrong: nothing comes of them.


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", ""),
        (b"[]", ""),
        (b'{"initiator": 7}', "initiator"),
        (b'{"reason": {}}', "reason"),
        (b'{"cancellationPolicy": "background"}', "cancellationPolicy"),
        (b'{"cancellationPolicy": "Whatever"}', "cancellationPolicy"),
        (b'{"cancellationPolicy": ["Orphan"]}', "cancellationPolicy"),
        (b'{"reason": "%b"}' % (b"x" * 70_000), None),
    ],
)
async def test_a_bad_cancellation_is_refused_and_cancels_nothing(
    world: World, api: Client, body: bytes, field: str | None
) -> None:
    key = await world.run(api.url)
    v1 = await api.post(f"/algorithm/v1/cancel/{of(key)}", data=body)
    assert (v1.status, v1.content_type) == (400, TEXT)
    latest = await api.post(f"/algorithm/cancel/{of(key)}", data=body)
    assert latest.content_type == PROBLEM
    if field is None:
        assert latest.status == 413
    else:
        assert (latest.status, latest.fields) == (400, [field])
    await world.reaches(key, Stage.RUNNING)


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b'{"newTag": null}', b'{"newTag": 7}', b'{"newTag": "a\\nb"}', LONG_TAG],
)
async def test_a_bad_tag_is_refused_and_the_old_one_stays(
    world: World, api: Client, body: bytes
) -> None:
    key = await world.run(api.url, tag="mine")
    v1 = await api.post(f"/algorithm/v1/metadata/tags/{of(key)}", data=body)
    assert (v1.status, v1.content_type) == (400, TEXT)
    latest = await api.post(f"/algorithm/metadata/tags/{of(key)}", data=body)
    assert (latest.status, latest.content_type) == (400, PROBLEM)
    (run,) = (await api.get("/algorithm/results/tags/mine")).json()
    assert run["requestId"] == key.request_id
