"""An API server that dies, freezes, forgets, and comes back."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import aiohttp
import pytest

from nexus_core.adapters.kubernetes.connection import Connection
from nexus_core.adapters.kubernetes.kubeconfig import KubeconfigFile
from nexus_core.adapters.kubernetes.runs import RUN_SELECTOR, Job
from nexus_core.adapters.kubernetes.watch import Applied, Deleted, Listed, Pace, Watch
from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.names import RunKey
from nexus_core.domain.observation import JobHandle
from support.clock import ManualClock
from support.clusters import a_manifest, a_run_key
from support.kubernetes import TidyCluster, tidy_cluster
from support.waiting import until
from tools.testbed.kubernetes.control_plane import ControlPlane

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("kubernetes-outages")]

NAMESPACE = "default"
JOBS = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"


@asynccontextmanager
async def a_cluster(control_plane: ControlPlane, patience: float) -> AsyncIterator[TidyCluster]:
    async with tidy_cluster(control_plane.kubeconfig, NAMESPACE, patience=patience) as cluster:
        yield cluster
        # It goes as a whole.
        cluster.created.clear()


async def _outcome(cluster: TidyCluster, key: RunKey) -> JobHandle | UnavailableError:
    try:
        return await cluster.create_job(key, a_manifest(key))
    except UnavailableError as error:
        return error


async def _created_sometime(cluster: TidyCluster, key: RunKey) -> JobHandle:
    async with asyncio.timeout(30):
        while True:
            if isinstance(outcome := await _outcome(cluster, key), JobHandle):
                return outcome
            await asyncio.sleep(0.1)


async def test_jobs_that_were_being_created_as_the_server_died_are_there_once_it_is_back(
    control_plane: ControlPlane,
) -> None:
    keys = [a_run_key() for _ in range(300)]
    async with a_cluster(control_plane, patience=5) as cluster:
        creating = [asyncio.create_task(_outcome(cluster, key)) for key in keys]
        await until(lambda: any(task.done() for task in creating))
        await control_plane.kill()
        before = await asyncio.gather(*creating)
        with pytest.raises(UnavailableError):
            await cluster.ping()
        await control_plane.start()

        after = await asyncio.gather(*(cluster.create_job(key, a_manifest(key)) for key in keys))
        found = {status.key: status.uid async for status in cluster.jobs()}

    made = [handle for handle in before if isinstance(handle, JobHandle)]
    assert 0 < len(made) < len(keys)
    for earlier, later in zip(before, after, strict=True):
        if isinstance(earlier, JobHandle):
            assert (later.uid, later.created) == (earlier.uid, False)
    assert found == {key: handle.uid for key, handle in zip(keys, after, strict=True)}


async def test_a_job_sent_to_a_frozen_server_is_one_job_when_it_thaws(
    control_plane: ControlPlane,
) -> None:
    key = a_run_key()
    async with a_cluster(control_plane, patience=1) as cluster:
        await cluster.ping()
        await control_plane.freeze()
        outcome = await _outcome(cluster, key)
        control_plane.thaw()
        handle = await _created_sometime(cluster, key)
        found = [status.uid async for status in cluster.jobs()]

    assert isinstance(outcome, UnavailableError)
    assert "did not answer within 1 s" in str(outcome)
    assert found == [handle.uid]


class Follower:
    """Follows Jobs in the background; after a failure it waits until it is let go on."""

    def __init__(self, connection: Connection, clock: ManualClock, pace: Pace) -> None:
        selectors = {"labelSelector": RUN_SELECTOR}
        self.watch = Watch(connection, JOBS, Job, clock, selectors=selectors, pace=pace)
        self.told: list[str] = []

    async def follow(self) -> None:
        async with aclosing(self.watch.follow()) as happenings:
            async for happening in happenings:
                match happening:
                    case Applied(job):
                        self.told.append(job.metadata.name)
                    case Deleted(name):
                        self.told.append(f"no {name.name}")
                    case Listed():
                        self.told.append("listed")


@asynccontextmanager
async def following(
    control_plane: ControlPlane, clock: ManualClock, pace: Pace | None = None
) -> AsyncIterator[Follower]:
    source = KubeconfigFile(control_plane.kubeconfig)
    async with Connection.open(source, clock, connections=4, patience=5) as connection:
        follower = Follower(connection, clock, pace or Pace())
        task = asyncio.create_task(follower.follow())
        try:
            yield follower
        finally:
            task.cancel()
            await asyncio.wait({task})


async def test_a_watch_goes_on_where_it_was_when_the_server_is_back(
    control_plane: ControlPlane, clock: ManualClock
) -> None:
    first, second = a_run_key(), a_run_key()
    async with (
        a_cluster(control_plane, patience=5) as cluster,
        following(control_plane, clock) as follower,
    ):
        await until(lambda: follower.told == ["listed"])
        await cluster.create_job(first, a_manifest(first))
        await until(lambda: first.request_id in follower.told)

        await control_plane.kill()
        await until(lambda: follower.watch.trouble)
        await control_plane.start()
        await clock.advance(30)
        await until(lambda: not follower.watch.trouble)
        await cluster.create_job(second, a_manifest(second))

        await until(lambda: second.request_id in follower.told)


async def test_a_watch_whose_past_was_compacted_tells_what_has_changed(
    control_plane: ControlPlane, clock: ManualClock
) -> None:
    kept, gone, new = a_run_key(), a_run_key(), a_run_key()
    async with (
        a_cluster(control_plane, patience=5) as cluster,
        following(control_plane, clock) as follower,
    ):
        await until(lambda: follower.told == ["listed"])
        for key in (kept, gone):
            await cluster.create_job(key, a_manifest(key))
        await until(lambda: {kept.request_id, gone.request_id} <= set(follower.told))
        del follower.told[:]

        await control_plane.kill()
        await until(lambda: follower.watch.trouble)
        await control_plane.start()
        await cluster.delete_job(gone)
        await cluster.create_job(new, a_manifest(new))
        await compact(control_plane)
        # What its cache still knows is forgotten with it.
        await control_plane.kill()
        await control_plane.start()
        while "listed" not in follower.told:
            await clock.advance(30)
            await asyncio.sleep(0.01)

    assert follower.told == [new.request_id, f"no {gone.request_id}", "listed"]


async def test_a_watch_leaves_a_frozen_server_and_comes_back(
    control_plane: ControlPlane, clock: ManualClock
) -> None:
    key = a_run_key()
    pace = Pace(shortest_stream=1, patience=0.5, healthy_after=0)
    async with (
        a_cluster(control_plane, patience=5) as cluster,
        following(control_plane, clock, pace) as follower,
    ):
        await until(lambda: follower.told == ["listed"])
        await control_plane.freeze()
        await until(lambda: "did not answer within" in follower.watch.trouble)
        control_plane.thaw()
        await cluster.create_job(key, a_manifest(key))
        while key.request_id not in follower.told:
            await clock.advance(30)
            await asyncio.sleep(0.01)


async def compact(control_plane: ControlPlane) -> None:
    """Let etcd forget everything but what is there now."""
    serving = control_plane.secrets.serving
    context = ssl.create_default_context(cafile=str(control_plane.secrets.ca))
    context.load_cert_chain(serving.certificate, serving.key)
    url = f"https://127.0.0.1:{control_plane._ports.etcd}/v3/kv"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        async with session.post(f"{url}/range", data=json.dumps({"key": "AA=="})) as answer:
            revision = (await answer.json())["header"]["revision"]
        asked = json.dumps({"revision": revision, "physical": True})
        async with session.post(f"{url}/compaction", data=asked) as answer:
            assert answer.ok, await answer.text()
