"""The profile `full`, used as a person does, twice.

Once on images that are made of packages: in the place of k3s, which only a registry has, is the
testbed's control plane with its real node, and there is no Grafana. And once on all the images that
it names, where an engine can fetch them.
"""

import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from support.caller import REPOSITORY, Caller
from support.example_runs import ends_as_its_readme_says
from support.full_stack import FullStack, not_to_be_had, of_a_registry, of_packages
from support.stack import Stack
from support.waiting import until_so
from tools.testbed.engine.client import Docker
from tools.testbed.kubernetes.node.machine import obstacle

pytestmark = [
    pytest.mark.engine,
    pytest.mark.asyncio(loop_scope="module"),
    # Its pods ask for the cores of this machine.
    pytest.mark.xdist_group("real node"),
    # The first one builds the images.
    pytest.mark.timeout(1800),
]

PATIENCE = 180.0
ONCE = {"cassandra-role", "s3-bucket", "kubernetes-objects", "schema"}
SERVE = {"cassandra", "s3", "kubernetes", "scheduler", "receiver", "supervisor", "prometheus"}
DASHBOARDS = REPOSITORY / "deploy/observability/dashboards"


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["packages", "registry"])
async def full(
    request: pytest.FixtureRequest,
    docker: Docker,
    compose_program: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[FullStack]:
    if request.param == "packages":
        if why := obstacle():
            pytest.skip(f"no real node: {why}")
        opened = of_packages(docker, compose_program, tmp_path_factory.mktemp("stack"))
    else:
        if why := await not_to_be_had(docker, compose_program):
            pytest.skip(f"no registry: {why}")
        opened = of_a_registry(docker, compose_program)
    async with opened as full:
        yield full
    assert await full.stack.left_behind() == []


@pytest.fixture
def stack(full: FullStack) -> Stack:
    return full.stack


@pytest_asyncio.fixture(loop_scope="module")
async def caller(stack: Stack, session: aiohttp.ClientSession) -> Caller:
    return Caller(stack.url, session)


async def test_all_services_are_healthy_after_those_that_prepare_them_have_ended(
    full: FullStack,
) -> None:
    ready = SERVE | ({"grafana"} if full.is_whole else set())
    states = await full.stack.states()
    assert states == {**dict.fromkeys(ONCE, "exited 0"), **dict.fromkeys(ready, "healthy")}


async def test_the_demo_computes_a_tour_in_a_pod(stack: Stack) -> None:
    printed = await stack.make("demo", f"NEXUS_URL={stack.url}")
    assert "COMPLETED" in printed
    assert "A tour of 52 places" in printed


@pytest.mark.parametrize("algorithm", ["hello-world", "fan-out", "fails"])
async def test_an_example_ends_in_a_pod_as_its_readme_says(caller: Caller, algorithm: str) -> None:
    result = await ends_as_its_readme_says(caller, algorithm, PATIENCE)
    if result["resultUri"]:
        assert result["resultUri"].startswith(f"{caller.url}/data/v1/results/")
    if algorithm == "fails":
        # The supervisor's account may read what pods print.
        printed = await caller.has_kept_log(algorithm, result["requestId"])
        assert "ZeroDivisionError: division by zero\n" in printed


async def test_the_pods_are_of_the_image_that_the_stack_hands_to_its_cluster(
    full: FullStack, caller: Caller, docker: Docker
) -> None:
    stack = full.stack
    if full.is_whole:
        pytest.skip("engines and clusters of other kinds call one image by several ids")
    await ends_as_its_readme_says(caller, "hello-world", PATIENCE)
    of_pods = await stack(
        *("exec", "--no-TTY", "kubernetes", "kubectl", "--server=https://kubernetes:6443"),
        *("get", "pods", "--namespace=nexus-runs"),
        "--output=jsonpath={.items[*].status.containerStatuses[*].imageID}",
    )
    image = await docker("inspect", "--format={{.Id}}", f"nexus-standalone:{stack.project}")
    assert set(of_pods.split()) == {image}


async def test_what_dies_is_started_again_and_nothing_is_lost_by_it(
    stack: Stack, caller: Caller
) -> None:
    if os.geteuid() != 0:
        pytest.skip("processes of containers are root's to kill")
    before = await ends_as_its_readme_says(caller, "hello-world", PATIENCE)
    for name in ("receiver", "supervisor", "scheduler", "s3", "cassandra"):
        os.kill((await stack.containers())[name]["State"]["Pid"], signal.SIGKILL)

        async def is_back(name: str = name) -> bool:
            again = (await stack.containers())[name]["RestartCount"] == 1
            return again and (await stack.states())[name] == "healthy"

        await until_so(is_back, PATIENCE)
    # Services ask again what was away, after a while.
    await caller.learns("hello-world")
    after = await caller.finished("hello-world", before["requestId"])
    assert await caller.fetch(after["resultUri"]) == {"greeting": "Hello, Ada!"}
    await ends_as_its_readme_says(caller, "hello-world", PATIENCE)


async def test_prometheus_scrapes_all_services_and_has_our_alerts(
    stack: Stack, session: aiohttp.ClientSession
) -> None:
    url = f"{stack.url_of('PROMETHEUS_PORT')}/api/v1"

    async def data(path: str) -> Any:
        async with session.get(f"{url}/{path}") as answer:
            assert answer.status == 200
            return (await answer.json())["data"]

    async def are_up() -> bool:
        targets = (await data("targets"))["activeTargets"]
        return {one["labels"]["job"]: one["health"] for one in targets} == {
            "scheduler": "up",
            "receiver": "up",
            "supervisor": "up",
        }

    await until_so(are_up, PATIENCE)
    groups = (await data("rules"))["groups"]
    assert {group["name"] for group in groups} >= {"nexus-every-service", "nexus-scheduler"}
    alerts = [rule for group in groups for rule in group["rules"]]
    assert [rule["name"] for rule in alerts if rule["health"] == "err"] == []
    assert [rule["name"] for rule in alerts if rule["state"] == "firing"] == []


async def test_grafana_has_our_dashboards(full: FullStack, session: aiohttp.ClientSession) -> None:
    if not full.is_whole:
        pytest.skip("there is no Grafana of packages")
    url = f"{full.stack.url_of('GRAFANA_PORT')}/api/search?type=dash-db"
    async with session.get(url) as answer:
        found = {one["uid"] for one in await answer.json()}
    ours = {json.loads(file.read_text("utf-8"))["uid"] for file in DASHBOARDS.glob("*.json")}
    assert found == ours


async def test_runs_outlive_the_containers(full: FullStack, caller: Caller) -> None:
    stack = full.stack
    before = await ends_as_its_readme_says(caller, "hello-world", PATIENCE)

    await stack.make("compose-down")
    assert await stack.states() == {}
    await full.up()

    after = await caller.finished("hello-world", before["requestId"])
    assert after["status"] == "COMPLETED"
    assert await caller.fetch(after["resultUri"]) == {"greeting": "Hello, Ada!"}
    await ends_as_its_readme_says(caller, "hello-world", PATIENCE)
