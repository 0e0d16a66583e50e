"""The recorded objects that unit tests read are what a server writes; this records them anew."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nexus_core.adapters.kubernetes.known_runs import KnownRuns
from nexus_core.adapters.kubernetes.statuses import end_of
from nexus_core.domain.names import RunKey
from support.clusters import PATIENCE, a_run_key, happenings
from support.kubernetes import TidyCluster, tidy_cluster
from support.recorded_runs import (
    ENDING,
    FOLDER,
    SCENES,
    RecordedRun,
    Scene,
    manifest_of,
    record,
    recorded,
)
from tools.testbed.description import KubernetesDescription, NodeDescription

_LAST_EVENT = {
    "completes": "Completed",
    "fails": "BackoffLimitExceeded",
    "fatal": "PodFailurePolicy",
    "out-of-memory": "BackoffLimitExceeded",
    "deadline": "DeadlineExceeded",
    "runs": "Started",
    "image-missing": "BackOff",
    "config-missing": "Failed",
    "crash-loops": "BackOff",
    "never-starts": "FailedMount",
    "out-of-memory-in-silence": "Completed",
    "evicted": "Evicted",
    "no-node": "FailedScheduling",
    "suspended": "Suspended",
    "deleted": "Started",
    "quota-exhausted": "FailedCreate",
    "not-admitted": "FailedCreate",
    "node-image-missing": "BackOff",
    "node-image-never-pulled": "ErrImageNeverPull",
    "node-image-misnamed": "InspectFailed",
    "node-config-missing": "Failed",
    "node-program-missing": "BackoffLimitExceeded",
    "node-out-of-memory": "BackoffLimitExceeded",
    "node-volume-missing": "FailedMount",
}

pytestmark = pytest.mark.integration

_NAMESPACES = "/api/v1/namespaces"


# Those of a real node not beside other pods of it.
_PLACES = [
    pytest.param(name, marks=[pytest.mark.xdist_group("real node")] if scene.on_node else [])
    for name, scene in SCENES.items()
]


@pytest.mark.parametrize("name", _PLACES)
async def test_a_run_leaves_the_objects_that_were_recorded(
    kubernetes_server: KubernetesDescription, name: str, request: pytest.FixtureRequest
) -> None:
    scene, key = SCENES[name], a_run_key()
    node: NodeDescription | None = None
    if scene.on_node:
        node = request.getfixturevalue("node_server")
    async with _stage(kubernetes_server, scene) as (cluster, namespace):
        await cluster.create_job(key, manifest_of(name, key, node))
        try:
            objects = await _settled(cluster, namespace, key, name)
        finally:
            if scene.deleted:
                await _let_go(cluster, namespace, key)

    if request.config.getoption("--update-golden"):
        text = msgspec.json.format(msgspec.json.encode(objects), indent=1)
        (FOLDER / f"{name}.json").write_bytes(text + b"\n")
    assert _story(msgspec.convert(objects, RecordedRun)) == _story(recorded(name))


@asynccontextmanager
async def _stage(
    server: KubernetesDescription, scene: Scene
) -> AsyncIterator[tuple[TidyCluster, str]]:
    """Open a cluster, in a namespace of its own where the scene has rules for that."""
    if not scene.has_own_namespace:
        async with tidy_cluster(Path(server.nexus_kubeconfig), server.namespace) as cluster:
            yield cluster, server.namespace
        return
    namespace = f"recorded-{uuid.uuid4()}"
    metadata = {"name": namespace, "labels": scene.namespace_labels}
    async with tidy_cluster(Path(server.kubeconfig), namespace) as cluster:
        await _create(cluster, _NAMESPACES, {"metadata": metadata})
        if scene.quota:
            await _create(cluster, f"{_NAMESPACES}/{namespace}/resourcequotas", scene.quota)
            # Until it was counted once, it is no quota but an error.
            await _until_counted(cluster, namespace)
        yield cluster, namespace
        await cluster.connection.request("DELETE", f"{_NAMESPACES}/{namespace}")


async def _create(cluster: TidyCluster, path: str, what: dict[str, Any]) -> None:
    answer = await cluster.connection.request("POST", path, body=msgspec.json.encode(what))
    assert answer.ok, answer.body


async def _until_counted(cluster: TidyCluster, namespace: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            path = f"{_NAMESPACES}/{namespace}/resourcequotas"
            answer = await cluster.connection.request("GET", path)
            (quota,) = msgspec.json.decode(answer.body)["items"]
            if "used" in quota["status"]:
                return


async def _settled(
    cluster: TidyCluster, namespace: str, key: RunKey, name: str
) -> dict[str, object]:
    """Return a run's objects once it has come to where it stays, with the events that are told."""
    pods: object = None
    async with asyncio.timeout(PATIENCE):
        while True:
            objects = await record(cluster.connection, namespace, key)
            run = msgspec.convert(objects, RecordedRun)
            if _LAST_EVENT[name] not in {event.reason for event in run.events}:
                continue
            if SCENES[name].deleted and run.job.status.ready and pods is None:
                # Those of before, since they may be gone when the Job is looked at again.
                pods = objects["pods"]
                await _delete(cluster, namespace, key)
            if _is_where_it_stays(run, name):
                return objects if pods is None else {**objects, "pods": pods}


async def _delete(cluster: TidyCluster, namespace: str, key: RunKey) -> None:
    options = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Foreground"}
    path = _path_of(namespace, key)
    answer = await cluster.connection.request("DELETE", path, body=msgspec.json.encode(options))
    assert answer.ok, answer.body


async def _let_go(cluster: TidyCluster, namespace: str, key: RunKey) -> None:
    """Take away what keeps a deleted Job."""
    patch = {"metadata": {"finalizers": None}}
    answer = await cluster.connection.request(
        "PATCH",
        _path_of(namespace, key),
        body=msgspec.json.encode(patch),
        content_type="application/merge-patch+json",
    )
    assert answer.ok, answer.body


def _path_of(namespace: str, key: RunKey) -> str:
    return f"/apis/batch/v1/namespaces/{namespace}/jobs/{key.request_id}"


def _is_where_it_stays(run: RecordedRun, name: str) -> bool:
    if name in ENDING:
        return end_of(run.job) is not None
    if (stays := _STAYS.get(name)) is not None:
        return stays(run)
    return bool(_waits_for(run) - {"ErrImagePull", "ContainerCreating"})


def _waits_for(run: RecordedRun) -> set[str]:
    waiting = [c.state.waiting for pod in run.pods for c in pod.status.container_statuses]
    return {state.reason for state in waiting if state}


_STAYS: dict[str, Callable[[RecordedRun], bool]] = {
    "runs": lambda run: run.job.status.ready == 1,
    "deleted": lambda run: run.job.metadata.deletion_timestamp is not None,
    "suspended": lambda run: bool(run.job.status.conditions),
    "evicted": lambda run: any(pod.status.reason == "Evicted" for pod in run.pods),
    "never-starts": lambda run: _waits_for(run) == {"ContainerCreating"},
    "node-volume-missing": lambda run: _waits_for(run) == {"ContainerCreating"},
    # All that is to be seen of these are events.
    "quota-exhausted": lambda _: True,
    "not-admitted": lambda _: True,
    "no-node": lambda _: True,
}


def _story(run: RecordedRun) -> list[tuple[str, str]]:
    """Return what a follower who comes late is told of a run, without what differs each time."""
    runs = KnownRuns()
    for pod in run.pods:
        runs.pod_applied(pod)
    for event in run.events:
        runs.event_applied(event)
    status = runs.job_applied(run.job)
    assert status is not None
    return [(seen.kind, seen.reason) for seen in happenings(status)]
