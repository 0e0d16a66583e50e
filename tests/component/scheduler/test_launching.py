"""What becomes of accepted runs: their turn, their cluster, their Job."""

import asyncio
import json
import re
from dataclasses import replace
from typing import Any

import pytest

from nexus_core.domain.errors import JobRejectedError, NotNowError
from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import Advance, Stage, StageChange
from nexus_core.settings.payloads import BufferConfig, S3Buffer
from support.calls import Client, of
from support.clock import ManualClock
from support.meddling import meddled
from support.receiver_client import metric
from support.runs import a_buffered_job, a_checkpoint, a_template_spec
from support.services import World
from support.waiting import until

LAUNCHES = "nexus_scheduler_launches_total"


def buffer_config(**config: Any) -> S3Buffer:
    return S3Buffer(buffer_config=BufferConfig(**config))


async def test_a_run_gets_its_job_and_is_running_from_then_on(world: World) -> None:
    async with world.scheduler() as url:
        key = await world.run(url)
        await world.reaches(key, Stage.RUNNING)
        checkpoint = await world.stores.store.find(key)
    assert checkpoint is not None
    job = await world.cluster.find_job(key)
    assert job is not None
    assert checkpoint.job_uid == job.uid
    assert checkpoint.sent_at is not None
    assert checkpoint.received_at <= checkpoint.sent_at


async def test_jobs_go_to_a_cluster_no_faster_than_allowed_and_in_order(
    still_world: World, clock: ManualClock
) -> None:
    config = buffer_config(rate_limit_elements_per_second=2.0, rate_limit_elements_burst=2)
    async with still_world.scheduler(s3_buffer=config) as url:
        keys = [await still_world.run(url) for _ in range(5)]
        created = still_world.cluster.creations
        await until(lambda: len(created) == 2)
        await clock.advance(0.4)
        assert list(created) == keys[:2]
        await clock.advance(0.1)
        await until(lambda: len(created) == 3)
        await clock.advance(1.0)
        await until(lambda: len(created) == 5)
        assert list(created) == keys


@pytest.mark.parametrize(("retry_after", "closed_for"), [(None, 1.0), (30.0, 30.0)])
async def test_a_cluster_that_refuses_is_left_alone_for_a_while_and_no_run_fails(
    still_world: World, clock: ManualClock, retry_after: float | None, closed_for: float
) -> None:
    cluster = still_world.cluster
    config = buffer_config(workers=1, failure_rate_base_delay=2.0, failure_rate_max_delay=2.0)
    async with still_world.scheduler(s3_buffer=config) as url:
        cluster.creation_refusal = NotNowError("too many requests", retry_after=retry_after)
        idle = clock.sleepers
        keys = [await still_world.run(url) for _ in range(3)]
        # One more: the closed lane.
        await until(lambda: clock.sleepers == idle + 1)
        cluster.creation_refusal = None
        await clock.advance(closed_for - 0.01)
        assert not cluster.creations
        await clock.advance(2.0)
        await until(lambda: len(cluster.creations) == 3)
        # The one that was refused first goes first.
        assert list(cluster.creations) == keys
        for key in keys:
            await still_world.reaches(key, Stage.RUNNING)


async def test_a_job_that_the_cluster_rejects_fails_its_run_in_the_clusters_words(
    world: World,
) -> None:
    async with world.scheduler() as url:
        world.cluster.refusal = JobRejectedError("spec.template: Invalid value")
        key = await world.run(url)
        api = Client(world.session, url)
        result = (await api.get(f"/algorithm/results/{of(key)}?wait=10s")).json()
        assert result["status"] == "SCHEDULING_FAILED"
        assert "standalone" in result["runErrorMessage"]
        shown = (await api.get(f"/algorithm/metadata/{of(key)}")).json()
        assert shown["algorithm_failure_details"] == "spec.template: Invalid value"
        # Others are not held up by it.
        world.cluster.refusal = None
        other = await world.run(url)
        await until(lambda: other in world.cluster.creations)


async def test_a_launch_that_breaks_holds_up_no_other(world: World) -> None:
    async with world.scheduler(s3_buffer=buffer_config(workers=1)) as url:
        world.cluster.refusal = RuntimeError("a fault in an adapter")
        broken = await world.run(url)
        while not await metric(Client(world.session, url), LAUNCHES, outcome="error"):
            pass
        world.cluster.refusal = None
        other = await world.run(url)
        await until(lambda: other in world.cluster.creations)
        # It is not lost: the supervisor finds it late.
        assert await world.stage(broken) is Stage.BUFFERED


async def test_urls_that_a_long_queue_has_outlived_are_made_anew(
    still_world: World, clock: ManualClock
) -> None:
    spec = a_template_spec(args=["--sas-uri=%s"])
    still_world.catalogue.put("hello-world", spec)
    still_world.cluster.creation_refusal = NotNowError("not today", retry_after=5 * 60)
    async with still_world.scheduler() as url:
        api = Client(still_world.session, url)
        key = await still_world.run(url, payloadValidFor="4m")
        await until(lambda: still_world.cluster.refused)
        still_world.cluster.creation_refusal = None
        await clock.advance(5 * 60)
        await still_world.reaches(key, Stage.RUNNING)
        (container,) = still_world.cluster.manifests[key]["spec"]["template"]["spec"]["containers"]
        payload = container["args"][0].removeprefix("--sas-uri=")
        assert (await api.get(payload)).body == b'{"name": "world"}'
        (upload,) = [
            variable["value"]
            for variable in container["env"]
            if variable["name"] == "NEXUS__RESULT_UPLOAD_URL"
        ]
        assert (await api.call("PUT", upload, data=b"42")).status == 200
        # The one that was made when the request came is of no use any more.
        shown = (await api.get(f"/algorithm/metadata/{of(key)}")).json()
        assert (await api.get(shown["payload_uri"])).status == 403


async def test_what_the_template_alone_may_say_stays_as_it_is(world: World) -> None:
    spec = a_template_spec(args=["--quiet"])
    world.catalogue.put("hello-world", spec)
    escape = {
        "container": {"serviceAccountName": "admin", "versionTag": "2.0"},
        "command": "/bin/sh",
        "args": ["-c", "steal"],
        "computeResources": {"customResources": {"nvidia.com/gpu": "8"}, "limits": {"x.y/z": "1"}},
        "runtimeEnvironment": {
            "environmentVariables": [{"name": "LD_PRELOAD", "value": "evil.so"}],
            "secretFileMounts": {"admin": {"name": "a", "mountPath": "/a"}},
            "annotations": {"a": "b"},
        },
        "errorHandlingBehaviour": {"fatalExitCodes": [1]},
        "datadogIntegrationSettings": {"mountDatadogSocket": True},
        "payloadConfiguration": {"payloadValidFor": "9999h"},
    }
    async with world.scheduler() as url:
        plain = await world.run(url)
        key = await world.run(url, customConfiguration=escape)
        await until(lambda: {plain, key} <= set(world.cluster.manifests))
    expected, job = (as_text(world.cluster.manifests[run], run) for run in (plain, key))
    assert job == expected.replace("hello:1.0", "hello:2.0")


def as_text(manifest: dict[str, Any], key: RunKey) -> str:
    """Write a Job down without what differs from run to run."""
    text = json.dumps(manifest, sort_keys=True).replace(key.request_id, "<id>")
    return re.sub(r"sig=[^\"]*", "sig=<…>", text)


async def test_a_child_run_is_owned_by_the_job_of_its_parent(world: World) -> None:
    async with world.scheduler() as url:
        parent = await world.run(url)
        await world.reaches(parent, Stage.RUNNING)
        child = await world.run(
            url,
            parentRequest={"requestId": parent.request_id, "algorithmName": parent.algorithm},
        )
        await until(lambda: child in world.cluster.manifests)
    job = await world.cluster.find_job(parent)
    assert job is not None
    (owner,) = world.cluster.manifests[child]["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("Job", parent.request_id, job.uid)


async def test_a_child_is_owned_by_a_job_so_new_that_nobody_has_recorded_it(world: World) -> None:
    store, gate = world.stores.store, asyncio.Event()

    async def hang(key: RunKey, change: StageChange) -> Advance:
        await gate.wait()
        return await store.advance(key, change)

    world.stores = replace(world.stores, store=meddled(store, advance=hang))
    async with world.scheduler() as url:
        parent = await world.run(url)
        await until(lambda: parent in world.cluster.manifests)
        child = await world.run(
            url,
            parentRequest={"requestId": parent.request_id, "algorithmName": parent.algorithm},
        )
        await until(lambda: child in world.cluster.manifests)
        gate.set()
    job = await world.cluster.find_job(parent)
    assert job is not None
    (owner,) = world.cluster.manifests[child]["metadata"]["ownerReferences"]
    assert owner["uid"] == job.uid


async def test_a_child_of_a_run_that_has_finished_is_owned_by_nobody(world: World) -> None:
    parent = a_checkpoint(lifecycle_stage=Stage.COMPLETED, job_uid="gone")
    await world.stores.store.accept(parent, a_buffered_job(parent))
    async with world.scheduler() as url:
        child = await world.run(
            url, parentRequest={"requestId": parent.id, "algorithmName": parent.algorithm}
        )
        await until(lambda: child in world.cluster.manifests)
    assert "ownerReferences" not in world.cluster.manifests[child]["metadata"]
