"""Jobs, pods and events of runs as a real API server wrote them down."""

import asyncio
import copy
from pathlib import Path
from typing import Any

import msgspec

from nexus_core.adapters.kubernetes.connection import Connection
from nexus_core.adapters.kubernetes.runs import Event, Job, Pod
from nexus_core.domain.names import RunKey
from support.clusters import IGNORE_DISRUPTION, a_job, exit_rule
from tools.testbed.description import NodeDescription
from tools.testbed.kubernetes.outcomes import DURATION, EXIT_CODE, OUTCOME, Outcome

FOLDER = Path(__file__).parents[1] / "unit" / "kubernetes" / "recorded"

FATAL = {"rules": [IGNORE_DISRUPTION, exit_rule("FailJob", 4)]}

IGNORED = {"rules": [IGNORE_DISRUPTION]}
NO_PODS = {
    "apiVersion": "v1",
    "kind": "ResourceQuota",
    "metadata": {"name": "no-pods"},
    "spec": {"hard": {"pods": "0"}},
}
KEPT = "nexus.test/looked-at"
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """A Job, where it is put, and what is done to it."""

    annotations: dict[str, str] = {}
    spec: dict[str, Any] = {}
    """Fields of the Job's spec, and of its `pod` and its `container`."""
    on_node: bool = False
    """Whether a real kubelet is to speak."""
    namespace_labels: dict[str, str] = {}
    quota: dict[str, Any] | None = None
    """With one of these the Job gets a namespace of its own."""
    deleted: bool = False
    """Whether somebody deletes it when it runs, in the foreground. It stays, to be looked at, until
    its finalizers are taken away: its pod may be gone at once."""

    @property
    def has_own_namespace(self) -> bool:
        return bool(self.namespace_labels or self.quota)


def kwok(outcome: Outcome, exit_code: str = "", **spec: Any) -> Scene:
    """Return a scene that KWOK plays."""
    annotations: dict[str, str] = {OUTCOME: outcome}
    if exit_code:
        annotations[EXIT_CODE] = exit_code
    return Scene(annotations=annotations, spec=spec)


def on_node(*, pod: dict[str, Any] | None = None, **container: Any) -> Scene:
    """Return a scene of a real node; without an image, the container has the node's own."""
    return Scene(spec={"container": container, "pod": pod or {}}, on_node=True)


SCENES: dict[str, Scene] = {
    "completes": kwok(Outcome.COMPLETES),
    "fails": kwok(Outcome.FAILS, backoffLimit=1),
    "fatal": kwok(Outcome.FAILS, "4", podFailurePolicy=FATAL),
    "out-of-memory": kwok(Outcome.OUT_OF_MEMORY),
    "out-of-memory-in-silence": kwok(Outcome.OUT_OF_MEMORY, "0"),
    "deadline": kwok(Outcome.RUNS, activeDeadlineSeconds=1),
    "runs": kwok(Outcome.RUNS),
    "image-missing": kwok(Outcome.IMAGE_MISSING),
    "config-missing": kwok(Outcome.CONFIG_MISSING),
    "crash-loops": kwok(Outcome.CRASH_LOOPS),
    "never-starts": kwok(Outcome.NEVER_STARTS),
    "evicted": kwok(Outcome.EVICTED, podFailurePolicy=IGNORED),
    "no-node": Scene(spec={"pod": {"nodeSelector": {"kubernetes.io/hostname": "nowhere"}}}),
    "suspended": kwok(Outcome.RUNS, suspend=True),
    "deleted": Scene(annotations={OUTCOME: Outcome.RUNS}, deleted=True),
    "quota-exhausted": Scene(quota=NO_PODS),
    "not-admitted": Scene(namespace_labels=RESTRICTED),
    "node-image-missing": on_node(image="127.0.0.1:1/nowhere:1"),
    "node-image-never-pulled": on_node(image="127.0.0.1:1/nowhere:1", imagePullPolicy="Never"),
    "node-image-misnamed": on_node(image="NOWHERE:/1"),
    "node-config-missing": on_node(envFrom=[{"configMapRef": {"name": "nowhere"}}]),
    "node-program-missing": on_node(command=["no-such-program-anywhere"]),
    "node-out-of-memory": on_node(
        command=["python3", "-c", "bytearray(2**28)"],
        resources={"limits": {"memory": "64Mi"}, "requests": {"cpu": "10m"}},
    ),
    "node-volume-missing": on_node(
        pod={"volumes": [{"name": "data", "configMap": {"name": "nowhere"}}]},
        volumeMounts=[{"name": "data", "mountPath": "/data"}],
    ),
}
"""By name; those of a real node begin with `node-`."""

ENDING = frozenset(
    {
        "completes",
        "fails",
        "fatal",
        "out-of-memory",
        "out-of-memory-in-silence",
        "deadline",
        "node-program-missing",
        "node-out-of-memory",
    }
)
"""Those whose Job comes to an end."""


class RecordedRun(msgspec.Struct, frozen=True):
    """A run's objects, decoded as the adapter does."""

    job: Job
    pods: list[Pod]
    events: list[Event]

    @property
    def key(self) -> RunKey:
        return RunKey("hello-world", self.job.metadata.name)


def recorded(name: str) -> RecordedRun:
    """Return what was recorded of a scene."""
    return msgspec.json.decode((FOLDER / f"{name}.json").read_bytes(), type=RecordedRun)


def manifest_of(name: str, key: RunKey, node: NodeDescription | None = None) -> bytes:
    """Return the Job of a scene."""
    scene = SCENES[name]
    job = a_job(key, **copy.deepcopy(scene.spec))
    if scene.deleted:
        job["metadata"]["finalizers"] = [KEPT]
    template = job["spec"]["template"]
    template["metadata"]["annotations"] = {DURATION: "100ms", **scene.annotations}
    if scene.on_node and node is not None:
        template["spec"]["nodeSelector"] = {node.label: node.name}
        template["spec"]["tolerations"] = [{"key": node.taint, "operator": "Exists"}]
        (container,) = template["spec"]["containers"]
        if "image" not in scene.spec["container"]:
            container["image"] = node.image
    return msgspec.json.encode(job)


async def record(connection: Connection, namespace: str, key: RunKey) -> dict[str, Any]:
    """Return a run's objects as the server shows them now."""
    core = f"/api/v1/namespaces/{namespace}"
    pods = {"labelSelector": f"batch.kubernetes.io/job-name={key.request_id}"}
    job, pod_list, event_list = await asyncio.gather(
        _get(connection, f"/apis/batch/v1/namespaces/{namespace}/jobs/{key.request_id}", {}),
        _get(connection, f"{core}/pods", pods),
        _get(connection, f"{core}/events", {}),
    )
    events = [
        event
        for event in event_list["items"]
        if event["involvedObject"]["name"].startswith(key.request_id)
    ]
    return {"job": job, "pods": pod_list["items"], "events": events}


async def _get(connection: Connection, path: str, params: dict[str, str]) -> Any:
    answer = await connection.request("GET", path, params=params)
    assert answer.ok, answer.body
    return _without_bookkeeping(msgspec.json.decode(answer.body))


def _without_bookkeeping(tree: Any) -> Any:
    """Leave out who wrote which field: half of each object, and never read."""
    if isinstance(tree, dict):
        return {k: _without_bookkeeping(v) for k, v in tree.items() if k != "managedFields"}
    if isinstance(tree, list):
        return [_without_bookkeeping(item) for item in tree]
    return tree
