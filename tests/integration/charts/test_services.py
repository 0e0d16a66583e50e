"""Services as the installed objects say: with what they are given there, and no right beside it.

A Deployment makes no pods in the testbed. So a process stands in for each pod, with its command,
arguments, variables, files and the token of its service account; see `support.kubelet`.
"""

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from nexus_core.domain.job_manifest import TEMPLATE_NAME_LABEL
from nexus_core.domain.names import RunKey
from support.algorithms import Algorithms, environment_of
from support.caller import REPOSITORY, inherited_environment
from support.cassandra import drop_keyspace
from support.charts import NEXUS, Helm
from support.custom_resources import Resources, told
from support.deployment import Servers
from support.example_runs import ends_as_its_readme_says, only_on
from support.examples import ENDINGS, example_resources
from support.installed import (
    CLUSTER,
    InstalledNexus,
    a_place,
    in_one_cluster,
    in_two_clusters,
)
from support.waiting import until_so
from tools.testbed.description import (
    CassandraDescription,
    Description,
    KubernetesDescription,
    NodeDescription,
    S3Description,
)
from tools.testbed.kubernetes.outcomes import DURATION, OUTCOME, Outcome

pytestmark = [
    pytest.mark.integration,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("real node"),
    # Hooks wait for a Job of the cluster's, and its controller may have many others.
    pytest.mark.timeout(300),
]

PLAYED = {
    "hello-world": Outcome.RUNS,
    "tsp": Outcome.RUNS,
    "fan-out": Outcome.RUNS,
    "fan-out-part": Outcome.RUNS,
    "overstays-deadline": Outcome.RUNS,
    "fails": Outcome.FAILS,
    "out-of-memory": Outcome.OUT_OF_MEMORY,
}
"""What simulated nodes make of the examples' pods; they have no words of their own for a command
that there is not."""

COMPUTED = {"hello-world", "tsp", "fan-out", "fan-out-part"}
"""Those whose processes run here, when no node runs them."""


@pytest.fixture(scope="module")
def chart_servers(
    cassandra_server: CassandraDescription,
    s3_server: S3Description,
    kubernetes_server: KubernetesDescription,
    definitions: None,  # noqa: ARG001 - must be there first
) -> Iterator[Servers]:
    """The servers, with a keyspace that is not there yet: it is for the hook to make."""
    keyspace = f"charts_{secrets.token_hex(6)}"
    yield Servers(
        cassandra=cassandra_server, s3=s3_server, kubernetes=kubernetes_server, keyspace=keyspace
    )
    asyncio.run(drop_keyspace(cassandra_server, keyspace))


@pytest_asyncio.fixture(
    scope="module", loop_scope="module", params=[in_one_cluster, in_two_clusters]
)
async def nexus(
    request: pytest.FixtureRequest,
    helm_program: Path,
    chart_servers: Servers,
    testbed: Description,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[InstalledNexus]:
    """Nexus, installed in one of two ways, with its schema and the examples."""
    folder = tmp_path_factory.mktemp("pods")
    helm = Helm(helm_program, folder / "helm", Path(chart_servers.kubernetes.kubeconfig))
    async with a_place(chart_servers, helm, folder) as place, request.param(place) as nexus:
        schema = await place.apply_schema(nexus.releases[0])
        assert await schema.ends() == 0, schema.log.read_text()
        await publish_examples(nexus, testbed.node)
        await nexus.start()
        async with computing(nexus, testbed.node):
            yield nexus
        codes = await asyncio.gather(*(pod.stop() for pod in nexus.pods.values()))
        assert set(codes) == {0}
        for pod in nexus.pods.values():
            # A pod can't write where it is started.
            assert list(pod.root.iterdir()) == []


async def publish_examples(nexus: InstalledNexus, node: NodeDescription | None) -> None:
    """Publish the files of the examples, for a real node, or for simulated ones."""
    resources = templates_of(nexus)
    for manifest in example_resources():
        if manifest["kind"] == "NexusAlgorithmWorkgroup":
            manifest["spec"] |= {"cluster": CLUSTER, **(only_on(node) if node else {})}
        elif node is None:
            outcome = PLAYED.get(manifest["metadata"]["name"], Outcome.COMPLETES)
            said = {OUTCOME: outcome.value, DURATION: "200ms"}
            manifest["spec"].setdefault("runtimeEnvironment", {})["annotations"] = said
        await resources.create(manifest)


def templates_of(nexus: InstalledNexus) -> Resources:
    return Resources(nexus.place.connection, nexus.releases[0].namespace)


@asynccontextmanager
async def computing(nexus: InstalledNexus, node: NodeDescription | None) -> AsyncIterator[None]:
    """Run here what the examples' pods would run, if no node does."""
    if node is not None:
        yield
        return
    async with asyncio.TaskGroup() as tasks:
        computer = tasks.create_task(compute(nexus, tasks))
        yield
        computer.cancel()


async def compute(nexus: InstalledNexus, tasks: asyncio.TaskGroup) -> None:
    """Start a process for each Job that simulated nodes only say they run."""
    path = f"/apis/batch/v1/namespaces/{nexus.place.runs_namespace}/jobs"
    known = set()
    while True:
        for job in told(await nexus.place.connection.request("GET", path))["items"]:
            name, labels = job["metadata"]["name"], job["metadata"]["labels"]
            if labels[TEMPLATE_NAME_LABEL] in COMPUTED and name not in known:
                known.add(name)
                tasks.create_task(run_container(job))
        await asyncio.sleep(0.05)  # a watch would be no shorter, and this is bounded


async def run_container(job: dict[str, Any]) -> None:
    (container,) = job["spec"]["template"]["spec"]["containers"]
    python, *rest = container["command"]
    assert python == "python3"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *rest,
        *container.get("args", []),
        cwd=REPOSITORY,
        env={**inherited_environment(), **environment_of(job)},
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        await process.wait()
    finally:
        with suppress(ProcessLookupError):
            process.kill()


@pytest.fixture(params=ENDINGS)
def example(request: pytest.FixtureRequest, testbed: Description) -> str:
    name: str = request.param
    if testbed.node is None and name not in PLAYED:
        pytest.skip("only a real node finds that there is no such command")
    return name


async def test_an_example_ends_as_its_readme_says(nexus: InstalledNexus, example: str) -> None:
    await nexus.learns(example)

    result = await ends_as_its_readme_says(nexus, example, 180)

    if result["status"] == "FAILED" and example == "fails":
        # Read from its pod by the supervisor, before its Job went.
        assert await nexus.has_kept_log(example, result["requestId"])


async def test_a_child_is_let_go_before_its_parent_is_deleted_alone(nexus: InstalledNexus) -> None:
    algorithms = Algorithms(templates_of(nexus), nexus.place.runs_namespace, secrets.token_hex(4))
    name = await nexus.learns(await algorithms.publish(Outcome.RUNS, cluster=CLUSTER))
    parent = RunKey(name, await nexus.submit(name, {"algorithmParameters": {}}))
    await algorithms.job(parent)
    of = {"requestId": parent.request_id, "algorithmName": name}
    body = {"algorithmParameters": {}, "parentRequest": of}
    child = RunKey(name, await nexus.submit(name, body))
    assert (await algorithms.job(child))["metadata"]["ownerReferences"]

    await nexus.cancel(name, parent.request_id, "Orphan")

    await algorithms.gone(parent)
    # What is printed is read by a right of its own.
    await until_so(lambda: is_live(nexus, child))
    await nexus.complete(name, child.request_id)
    assert (await nexus.finished(name, child.request_id))["status"] == "COMPLETED"


async def is_live(nexus: InstalledNexus, run: RunKey) -> bool:
    try:
        return (await nexus.log(run.algorithm, run.request_id))[0] == "live"
    except AssertionError:
        return False  # it has printed nothing yet


async def test_templates_are_told_what_schedulers_make_of_them(nexus: InstalledNexus) -> None:
    (workgroup,) = (one for one in example_resources() if one["kind"] == "NexusAlgorithmWorkgroup")

    async def said() -> bool:
        return "Accepted" in str((await templates_of(nexus).read(workgroup)).get("status"))

    await until_so(said)


async def test_no_service_was_forbidden_anything_nor_called_in_vain(nexus: InstalledNexus) -> None:
    # After all of the above, which needs every right that there is.
    for pod in nexus.pods.values():
        assert pod.lines("forbidden") == []
        assert pod.lines("not written") == []
        # Nor did a receiver find no way to its scheduler, which is at the address of its pod.
        assert pod.lines("call back") == []


async def test_a_right_that_is_missing_holds_runs_up_by_its_name_until_it_is_given(
    nexus: InstalledNexus,
) -> None:
    owner = nexus.releases[-1]
    account = "scheduler" if len(nexus.releases) == 1 else "controller"
    place, binding = nexus.place, f"nexus-{account}-runs"
    await place.kubectl("delete", "rolebinding", binding, "-n", place.runs_namespace)

    request_id = await nexus.submit("fails", {"algorithmParameters": {}})

    async def is_told() -> bool:
        lines = nexus.pods["nexus-scheduler"].lines("cannot create resource")
        return any(f":nexus-{account}" in line and "jobs" in line for line in lines)

    await until_so(is_told)
    # Helm gives back what the release has.
    await place.helm(
        "upgrade", owner.name, NEXUS, f"--namespace={owner.namespace}", "--reset-then-reuse-values"
    )
    assert (await nexus.finished("fails", request_id))["status"] == "FAILED"
