"""The profile `full`: all of its services, on images that were made of packages where that is so.

In the place of k3s, which only a registry has, is the testbed's control plane with its real node,
by `testbed_cluster.yaml`. There is no Grafana. docs/how-to/compose.md tells what is left untried.
"""

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from support.caller import Caller
from support.example_runs import ends_as_its_readme_says
from support.stack import Stack, a_stack
from support.stack_cluster import GIVEN, a_stack_cluster
from support.waiting import until_so
from tools.compose.__main__ import save
from tools.compose.stand_ins import stand_ins
from tools.testbed.engine.client import Docker
from tools.testbed.kubernetes.node.machine import obstacle
from tools.testbed.places import Places

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
OVERRIDE = Path(__file__).with_name("testbed_cluster.yaml")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(
    docker: Docker, compose_program: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stack]:
    if why := obstacle():
        pytest.skip(f"no real node: {why}")
    folder = tmp_path_factory.mktemp("stack")
    servers = await stand_ins(docker, Places.from_environment().cache, print)
    given = {**servers, "NEXUS_TEST_CLUSTER": str(folder / GIVEN)}
    async with a_stack(docker, compose_program, [OVERRIDE], **given) as stack:
        await stack.make("images")
        await save(docker, f"nexus-standalone:{stack.project}", folder / "examples.tar")
        async with a_stack_cluster(folder, folder / "examples.tar") as cluster:
            await stack("--profile=full", "run", "--rm", "kubernetes-objects")
            # Before there is a scheduler, or it might know the workgroup as it was.
            await cluster.send_runs_to_the_node()
            await up(stack)
            yield stack
            await stack.make("compose-clean")
    assert await stack.left_behind() == []


async def up(stack: Stack) -> None:
    """Start what can be had, of both profiles."""
    await stack("--profile=full", "up", "--detach", "--wait")
    profiles = ("--profile=full", "--profile=observability")
    await stack(*profiles, "up", "--detach", "--wait", "--no-deps", "prometheus")


@pytest_asyncio.fixture(loop_scope="module")
async def caller(stack: Stack, session: aiohttp.ClientSession) -> Caller:
    return Caller(stack.url, session)


async def test_all_services_are_healthy_after_those_that_prepare_them_have_ended(
    stack: Stack,
) -> None:
    states = await stack.states()
    ready = {"cassandra", "s3", "kubernetes", "scheduler", "receiver", "supervisor", "prometheus"}
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
    stack: Stack, caller: Caller, docker: Docker
) -> None:
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


async def test_runs_outlive_the_containers(stack: Stack, caller: Caller) -> None:
    before = await ends_as_its_readme_says(caller, "hello-world", PATIENCE)

    await stack.make("compose-down")
    assert await stack.states() == {}
    await up(stack)

    after = await caller.finished("hello-world", before["requestId"])
    assert after["status"] == "COMPLETED"
    assert await caller.fetch(after["resultUri"]) == {"greeting": "Hello, Ada!"}
    await ends_as_its_readme_says(caller, "hello-world", PATIENCE)
