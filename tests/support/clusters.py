"""Makers of Jobs that a cluster can really run, and one who follows what it tells."""

import asyncio
import re
import uuid
from collections.abc import Callable
from typing import Any, Self

import msgspec

from nexus_core.domain.job_manifest import COMPONENT_LABEL, RUN_COMPONENT, TEMPLATE_NAME_LABEL
from nexus_core.domain.names import RunKey
from nexus_core.domain.observation import JobPhase, JobStatus, PodStatus
from nexus_core.domain.troubles import NEVER_RAN, family_of
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

    `changes` are fields of its spec, but for `container` and `pod` (fields of these) and `owner`
    (the run and the uid of the Job that owns it). Pods of the testbed run nothing; their
    annotations say what the script would do.
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
    pod = {"restartPolicy": "Never", "containers": [container], **changes.pop("pod", {})}
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
                "spec": pod,
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


class Happening(msgspec.Struct, frozen=True, kw_only=True):
    """What is new in a status, by a word of Kubernetes."""

    kind: str
    reason: str
    again: str
    """What tells two of them apart."""
    message: str = ""
    status: JobStatus

    @property
    def key(self) -> RunKey:
        return self.status.key

    @property
    def job_uid(self) -> str:
        return self.status.uid

    @property
    def exit_code(self) -> int | None:
        return self.status.exit_code

    @property
    def termination_reason(self) -> str:
        return self.status.termination_reason


class Witness:
    """Follows a cluster in the background and remembers what it told.

    One who waits for the same thing twice is shown the second one.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._seen: list[Happening] = []
        self._news = asyncio.Condition()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._follow(), name="witness")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})

    @property
    def seen(self) -> list[Happening]:
        return list(self._seen)

    def reasons(self, key: RunKey) -> list[str]:
        return [seen.reason for seen in self._seen if seen.key == key]

    async def sees(self, key: RunKey, reason: str, times: int = 1) -> Happening:
        """Wait until something was told of a run so many times; return the last of them."""
        matching = await self._until(
            lambda: [s for s in self._seen if (s.key, s.reason) == (key, reason)], times
        )
        return matching[-1]

    async def sees_finished(self, key: RunKey) -> Happening:
        """Wait until the Job of a run is finished, however."""
        matching = await self._until(
            lambda: [s for s in self._seen if s.key == key and s.kind == "Job"], 1
        )
        return matching[-1]

    async def _until(self, matching: Callable[[], list[Happening]], times: int) -> list[Happening]:
        async with asyncio.timeout(PATIENCE), self._news:
            await self._news.wait_for(lambda: len(matching()) >= times or self._task.done())
        if self._task.done():
            self._task.result()
        return matching()

    async def _follow(self) -> None:
        told: set[tuple[str, str, str]] = set()
        try:
            async for status in self._cluster.observe():
                async with self._news:
                    for happening in happenings(status):
                        once = (status.uid, happening.reason, happening.again)
                        if once not in told:
                            told.add(once)
                            self._seen.append(happening)
                    self._news.notify_all()
        finally:
            async with self._news:
                self._news.notify_all()


def happenings(status: JobStatus) -> list[Happening]:
    """Return what a status tells, in the order in which it happened."""
    found = [one for pod in status.pods for one in _happenings_of(pod, status)]
    if status.phase is not JobPhase.ACTIVE:
        reason = status.reason or "Completed"
        found.append(
            Happening(kind="Job", reason=reason, again="", message=status.message, status=status)
        )
    if status.deleted_at is not None:
        found.append(Happening(kind="Job", reason="Deleted", again="", status=status))
    return found


def _happenings_of(pod: PodStatus, status: JobStatus) -> list[Happening]:
    found = []

    def tell(reason: str, again: object, message: str = "") -> None:
        again = f"{pod.uid} {again}"
        found.append(
            Happening(kind="Pod", reason=reason, again=again, message=message, status=status)
        )

    if pod.started_at is not None:
        tell("Started", pod.started_at)
    if pod.ending is not None:
        never_ran = pod.ending.reason in NEVER_RAN
        tell("Failed" if never_ran else pod.ending.reason, pod.ending.at, pod.ending.message)
    if pod.waiting is not None and family_of(pod.waiting.reason):
        backs_off = pod.waiting.reason.endswith("BackOff")
        tell("BackOff" if backs_off else "Failed", "", pod.waiting.message)
    return found
