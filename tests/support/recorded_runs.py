"""Jobs, pods and events of runs as a real API server wrote them down."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec

from nexus_core.adapters.kubernetes.connection import Connection
from nexus_core.adapters.kubernetes.runs import Event, Job, Pod
from nexus_core.domain.names import RunKey
from support.clusters import IGNORE_DISRUPTION, a_job, exit_rule
from tools.testbed.kubernetes.outcomes import DURATION, EXIT_CODE, OUTCOME, Outcome

FOLDER = Path(__file__).parents[1] / "unit" / "kubernetes" / "recorded"

FATAL = {"rules": [IGNORE_DISRUPTION, exit_rule("FailJob", 4)]}

SCENES: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "completes": ({OUTCOME: Outcome.COMPLETES}, {}),
    "fails": ({OUTCOME: Outcome.FAILS}, {"backoffLimit": 1}),
    "fatal": ({OUTCOME: Outcome.FAILS, EXIT_CODE: "4"}, {"podFailurePolicy": FATAL}),
    "out-of-memory": ({OUTCOME: Outcome.OUT_OF_MEMORY}, {}),
    "deadline": ({OUTCOME: Outcome.RUNS}, {"activeDeadlineSeconds": 1}),
    "runs": ({OUTCOME: Outcome.RUNS}, {}),
    "image-missing": ({OUTCOME: Outcome.IMAGE_MISSING}, {}),
    "config-missing": ({OUTCOME: Outcome.CONFIG_MISSING}, {}),
    "crash-loops": ({OUTCOME: Outcome.CRASH_LOOPS}, {}),
    "never-starts": ({OUTCOME: Outcome.NEVER_STARTS}, {}),
}
"""By name: the annotations, and the fields of the Job's spec."""

ENDING = frozenset({"completes", "fails", "fatal", "out-of-memory", "deadline"})
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


def manifest_of(name: str, key: RunKey) -> bytes:
    """Return the Job of a scene."""
    annotations, changes = SCENES[name]
    job = a_job(key, **changes)
    job["spec"]["template"]["metadata"]["annotations"] = {DURATION: "100ms", **annotations}
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
