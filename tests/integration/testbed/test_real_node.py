"""The examples as real pods; and what a real kubelet says, in whose words KWOK is to speak."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from kubernetes_asyncio import client

from support.cluster_jobs import ClusterJob, container_state, event, until
from support.tiny_nexus import TinyNexus, TinyRun
from tools.testbed.description import KubernetesDescription, NodeDescription
from tools.testbed.kubernetes.outcomes import EXIT_CODE, OUTCOME, Outcome

# Not beside other pods of that node.
pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("real node")]


@pytest.fixture
async def on_the_node(node_server: NodeDescription) -> dict[str, Any]:
    """What sends a pod there."""
    return {
        "nodeSelector": {node_server.label: node_server.name},
        "tolerations": [{"key": node_server.taint, "operator": "Exists"}],
    }


@pytest.fixture
async def nexus(
    api: client.ApiClient, kubernetes_server: KubernetesDescription, on_the_node: dict[str, Any]
) -> AsyncIterator[TinyNexus]:
    """A Nexus whose Jobs become pods of the real node."""
    jobs: list[ClusterJob] = []

    async def launch(run: TinyRun, manifest: dict[str, Any]) -> None:
        manifest["spec"]["template"]["spec"] |= on_the_node
        job = ClusterJob(api, kubernetes_server.namespace, run.key.request_id)
        await job.create_from(manifest)
        jobs.append(job)

    async with TinyNexus.open(launch) as nexus:
        yield nexus
    for job in jobs:
        await job.delete()


@pytest.fixture
async def another_run(
    api: client.ApiClient, kubernetes_server: KubernetesDescription
) -> AsyncIterator[ClusterJob]:
    job = ClusterJob(api, kubernetes_server.namespace, f"outcome-{uuid4()}")
    yield job
    await job.delete()


async def reported(run: TinyRun) -> None:
    async def has_reported() -> bool:
        return run.reported.is_set()

    await until(has_reported)


async def test_an_example_computes_its_result_in_a_pod(nexus: TinyNexus) -> None:
    run = await nexus.submit("hello-world", b'{"algorithmParameters": {"name": "Ada"}}')

    await reported(run)
    assert run.failure == ""
    assert run.answer == {"greeting": "Hello, Ada!"}


async def test_an_example_reports_its_failure_from_a_pod(nexus: TinyNexus) -> None:
    run = await nexus.submit("hello-world", b'{"algorithmParameters": {}}')

    await reported(run)
    assert "must hold a name" in run.failure


WORDS = {"Started", "Failed", "BackOff"}
"""The reasons that count for a run."""


MISSING = "127.0.0.1:1/nowhere:1"


async def waits_for_its_image(job: ClusterJob) -> None:
    await container_state(job, "waiting", "ImagePullBackOff")
    await event(job, "BackOff")


async def has_ended(job: ClusterJob) -> None:
    # A kubelet tells of the container first, and a little later of the pod.
    async def is_over() -> bool:
        return [pod.status.phase for pod in await job.pods()] in (["Succeeded"], ["Failed"])

    await until(is_over)
    await event(job, "Started")


class Case(NamedTuple):
    """An outcome, and a container that comes to it by itself."""

    outcome: Outcome
    code: str
    settled: Callable[[ClusterJob], Awaitable[None]] = has_ended
    image: str | None = None
    annotations: Mapping[str, str] = {}


CASES = [
    Case(Outcome.COMPLETES, ""),
    Case(Outcome.FAILS, "raise SystemExit(7)", annotations={EXIT_CODE: "7"}),
    Case(Outcome.OUT_OF_MEMORY, "bytearray(2**28)"),
    Case(Outcome.IMAGE_MISSING, "", waits_for_its_image, MISSING),
]


@pytest.mark.parametrize("case", CASES, ids=[case.outcome for case in CASES])
async def test_a_pod_of_kwok_shows_what_a_real_one_shows(
    run: ClusterJob,
    another_run: ClusterJob,
    node_server: NodeDescription,
    on_the_node: dict[str, Any],
    case: Case,
) -> None:
    container = {
        "image": case.image or node_server.image,
        "command": ["python3", "-c", case.code],
        "resources": {"limits": {"memory": "64Mi"}, "requests": {"cpu": "10m"}},
    }
    await run.create({OUTCOME: case.outcome, **case.annotations}, container=container)
    await another_run.create({}, on_the_node, container)
    for job in (run, another_run):
        await case.settled(job)

    assert await shown(run) == await shown(another_run)
    # A kubelet says some things twice, in other words: `Error: ErrImagePull`.
    assert await words(run) <= await words(another_run)


async def shown(job: ClusterJob) -> dict[str, Any]:
    """What Nexus looks at: phases, states, reasons, exit codes, conditions, reasons of events."""
    (pod,) = await job.pods()
    (container,) = pod.status.container_statuses
    state = container.state
    ended = state.terminated and (state.terminated.reason, state.terminated.exit_code)
    return {
        "phase": pod.status.phase,
        "ended": ended,
        "waits": state.waiting is not None,
        "conditions": {one.type: one.status for one in pod.status.conditions},
        "events": {reason for reason, _ in await words(job)},
    }


async def words(job: ClusterJob) -> set[tuple[str, str]]:
    """The events that count for a run: the reason, and how the message begins."""
    return {(reason, said.split(":")[0]) for reason, said in await job.told() if reason in WORDS}
