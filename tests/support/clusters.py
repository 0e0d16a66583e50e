"""Makers of Jobs that a cluster can really run, and one who follows what it tells."""

import asyncio
import re
import uuid
from collections.abc import Callable
from typing import Any, Self

import msgspec

from nexus_core.domain.job_manifest import COMPONENT_LABEL, RUN_COMPONENT, TEMPLATE_NAME_LABEL
from nexus_core.domain.names import RunKey
from nexus_core.domain.observation import ObjectKind, Observation
from nexus_core.ports.cluster import Cluster
from tools.testbed.kubernetes.outcomes import DURATION, EXIT_CODE, OUTCOME, PRINTED, Outcome

FOR_EVER = "sleep 600"

PRINTING = "".join(f"echo '{line}'; " for line in PRINTED)
"""How a script begins that prints what every pod of the testbed is said to have printed."""

# Generous: it is only ever waited for in full by a test that fails.
PATIENCE = 60.0

IGNORE_DISRUPTION = {
    "action": "Ignore",
    "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
}


def a_run_key(algorithm: str = "hello-world") -> RunKey:
    return RunKey(algorithm, str(uuid.uuid4()))


def exit_rule(action: str, *codes: int, operator: str = "In") -> dict[str, Any]:
    return {"action": action, "onExitCodes": {"operator": operator, "values": list(codes)}}


def a_job(key: RunKey, script: str = "exit 0", **changes: Any) -> dict[str, Any]:
    """Return a Job that runs a shell script.

    `changes` are fields of its spec, but for `container` (fields of the container) and `owner` (the
    run and the uid of the Job that owns it). Pods of the testbed run nothing; their annotations
    say what the script would do.
    """
    annotations = _outcome_of(script, changes.get("container", {}))
    labels = {TEMPLATE_NAME_LABEL: key.algorithm, COMPONENT_LABEL: RUN_COMPONENT}
    container = {
        "name": key.request_id,
        "image": "registry.test/busybox:1",
        # Doubled, or Kubernetes would take `$$` for a dollar sign and `$(…)` for a variable.
        "command": ["/bin/sh", "-c", script.replace("$", "$$")],
        **changes.pop("container", {}),
    }
    metadata: dict[str, Any] = {"name": key.request_id, "labels": labels}
    if owner := changes.pop("owner", None):
        run, uid = owner
        reference = {"apiVersion": "batch/v1", "kind": "Job", "name": run.request_id, "uid": uid}
        metadata["ownerReferences"] = [reference]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {
            "backoffLimit": 0,
            "template": {
                "metadata": {"labels": labels, "annotations": annotations},
                "spec": {"restartPolicy": "Never", "containers": [container]},
            },
            **changes,
        },
    }


def _outcome_of(script: str, container: dict[str, Any]) -> dict[str, str]:
    """Return the annotations by which a pod of the testbed does what a script would.

    A script that says nothing to it makes it wait for ever, rather than succeed by mistake.
    """
    script = script.removeprefix(PRINTING)
    if "command" in container:
        return {OUTCOME: Outcome.CONFIG_MISSING}
    if script == FOR_EVER:
        return {OUTCOME: Outcome.RUNS}
    if match := re.fullmatch(r"exit (\d+)", script):
        outcome = Outcome.FAILS if int(match[1]) else Outcome.COMPLETES
        return {OUTCOME: outcome, EXIT_CODE: match[1], DURATION: "100ms"}
    return {OUTCOME: "not-known-to-the-testbed"}


def a_manifest(key: RunKey, script: str = "exit 0", **changes: Any) -> bytes:
    return msgspec.json.encode(a_job(key, script, **changes))


async def until_gone(cluster: Cluster, key: RunKey) -> None:
    """Wait until a cluster has no Job of a run; the feed tells nothing of removals."""
    async with asyncio.timeout(PATIENCE):
        while await cluster.find_job(key) is not None:  # noqa: ASYNC110 - so there is no event
            await asyncio.sleep(0.005)


class Witness:
    """Follows a cluster in the background and remembers what it told.

    One who waits for the same thing twice is shown the second one.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._seen: list[Observation] = []
        self._news = asyncio.Condition()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._follow(), name="witness")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})

    @property
    def seen(self) -> list[Observation]:
        return list(self._seen)

    def reasons(self, key: RunKey) -> list[str]:
        return [seen.reason for seen in self._seen if seen.key == key]

    async def sees(self, key: RunKey, reason: str, times: int = 1) -> Observation:
        """Wait until something was told of a run so many times; return the last of them."""
        matching = await self._until(
            lambda: [seen for seen in self._seen if (seen.key, seen.reason) == (key, reason)],
            times,
        )
        return matching[-1]

    async def sees_finished(self, key: RunKey) -> Observation:
        """Wait until the Job of a run is finished, however."""
        matching = await self._until(
            lambda: [
                seen for seen in self._seen if seen.key == key and seen.kind is ObjectKind.JOB
            ],
            1,
        )
        return matching[-1]

    async def _until(
        self, matching: Callable[[], list[Observation]], times: int
    ) -> list[Observation]:
        async with asyncio.timeout(PATIENCE), self._news:
            await self._news.wait_for(lambda: len(matching()) >= times or self._task.done())
        if self._task.done():
            self._task.result()
        return matching()

    async def _follow(self) -> None:
        try:
            async for observation in self._cluster.observe():
                async with self._news:
                    self._seen.append(observation)
                    self._news.notify_all()
        finally:
            async with self._news:
                self._news.notify_all()
