"""The recorded objects that unit tests read are what a server writes; this records them anew."""

import asyncio
from pathlib import Path

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
    manifest_of,
    record,
    recorded,
)
from tools.testbed.description import KubernetesDescription

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
}

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("name", SCENES)
async def test_a_run_leaves_the_objects_that_were_recorded(
    kubernetes_server: KubernetesDescription, name: str, request: pytest.FixtureRequest
) -> None:
    namespace, key = kubernetes_server.namespace, a_run_key()
    path = Path(kubernetes_server.nexus_kubeconfig)
    async with tidy_cluster(path, namespace) as cluster:
        await cluster.create_job(key, manifest_of(name, key))
        objects = await _settled(cluster, namespace, key, name)

    if request.config.getoption("--update-golden"):
        text = msgspec.json.format(msgspec.json.encode(objects), indent=1)
        (FOLDER / f"{name}.json").write_bytes(text + b"\n")
    assert _story(msgspec.convert(objects, RecordedRun)) == _story(recorded(name))


async def _settled(
    cluster: TidyCluster, namespace: str, key: RunKey, name: str
) -> dict[str, object]:
    """Return a run's objects once it has come to where it stays, with the events that are told."""
    async with asyncio.timeout(PATIENCE):
        while True:
            objects = await record(cluster.connection, namespace, key)
            run = msgspec.convert(objects, RecordedRun)
            seen = {event.reason for event in run.events}
            if _is_where_it_stays(run, name) and _LAST_EVENT[name] in seen:
                return objects


def _is_where_it_stays(run: RecordedRun, name: str) -> bool:
    if name in ENDING:
        return end_of(run.job) is not None
    if name == "runs":
        return run.job.status.ready == 1
    waiting = [c.state.waiting for pod in run.pods for c in pod.status.container_statuses]
    reasons = {state.reason for state in waiting if state}
    return bool(reasons - {"ErrImagePull"})


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
