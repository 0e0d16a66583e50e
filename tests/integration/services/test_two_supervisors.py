"""Two supervisors of one shard, a process each, on real servers: one leads, the other is ready."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families

from support.algorithms import Algorithms
from support.caller import PATIENCE, own_ports, start_service
from support.cassandra import an_applied_keyspace
from support.deployment import Deployment, Servers
from tools.testbed.description import (
    CassandraDescription,
    Description,
    KubernetesDescription,
    S3Description,
)
from tools.testbed.kubernetes.outcomes import Outcome

pytestmark = [
    pytest.mark.integration,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("two supervisors"),
]

LEASE = 3.0
# The row outlives the lease by two seconds, the other asks each third, and a busy machine is late.
TAKES_OVER_WITHIN = LEASE + 2.0 + LEASE / 3 + 10.0
PORT = "NEXUS__LISTEN__PORT"


class Supervisor:
    """One of two."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self.process = process
        self.url = url


@asynccontextmanager
async def a_supervisor(deployment: Deployment) -> AsyncIterator[Supervisor]:
    environment = deployment.environment("SUPERVISOR", {"NEXUS__LEADERSHIP__LEASE_DURATION": "3s"})
    environment[PORT] = str(own_ports()["SUPERVISOR"])
    process = await start_service("nexus_supervisor", environment)
    url = f"http://{environment['NEXUS__LISTEN__HOST']}:{environment[PORT]}"
    try:
        await deployment.ready(url, process)
        yield Supervisor(process, url)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def clusters_led(supervisor: Supervisor) -> float:
    """Return of how many clusters a supervisor leads the others."""
    return await total(supervisor, "nexus_supervisor_leads")


async def total(supervisor: Supervisor, name: str, **labels: str) -> float:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{supervisor.url}/metrics") as answer,
    ):
        text = await answer.text()
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


async def until_so(fact: Callable[[], Awaitable[Any]], patience: float = PATIENCE) -> None:
    async with asyncio.timeout(patience):
        while not await fact():  # noqa: ASYNC110 - a process tells nobody
            await asyncio.sleep(0.1)


@pytest.fixture(scope="module")
def servers(
    testbed: Description,
    cassandra_server: CassandraDescription,
    s3_server: S3Description,
    kubernetes_server: KubernetesDescription,
) -> Iterator[Servers]:
    """With a keyspace of the module's own: what other tests left would be settled, and counted."""
    with an_applied_keyspace(testbed, cassandra_server) as keyspace:
        yield Servers(
            cassandra=cassandra_server,
            s3=s3_server,
            kubernetes=kubernetes_server,
            keyspace=keyspace,
        )


@pytest_asyncio.fixture(loop_scope="module")
async def deployment(own_deployment: Deployment) -> Deployment:
    """Scheduler and receiver; supervisors are the tests'."""
    await own_deployment.start("SCHEDULER", "RECEIVER")
    return own_deployment


async def test_when_the_leader_is_killed_the_other_settles_what_it_left(
    deployment: Deployment, algorithms: Algorithms
) -> None:
    algorithm = await deployment.learns(await algorithms.publish(Outcome.FAILS))
    async with a_supervisor(deployment) as first:
        await until_so(lambda: clusters_led(first))
        async with a_supervisor(deployment) as second:
            assert await clusters_led(second) == 0
            first.process.kill()
            await first.process.wait()
            body: dict[str, Any] = {"algorithmParameters": {}}
            runs = [await deployment.submit(algorithm, body) for _ in range(5)]

            await until_so(lambda: clusters_led(second), TAKES_OVER_WITHIN)

            for run in runs:
                result = await deployment.finished(algorithm, run, 2 * PATIENCE)
                assert result["status"] == "DEADLINE_EXCEEDED"
            settled = await total(second, "nexus_supervisor_settled_runs_total")
            assert settled == len(runs)


async def test_a_leader_that_was_frozen_stands_by_and_runs_end_once(
    deployment: Deployment, algorithms: Algorithms
) -> None:
    algorithm = await deployment.learns(await algorithms.publish(Outcome.FAILS))
    async with a_supervisor(deployment) as first:
        await until_so(lambda: clusters_led(first))
        async with a_supervisor(deployment) as second:
            led = await clusters_led(first)
            first.process.send_signal(signal.SIGSTOP)
            try:
                await until_so(lambda: clusters_led(second), TAKES_OVER_WITHIN)
            finally:
                first.process.send_signal(signal.SIGCONT)
            body: dict[str, Any] = {"algorithmParameters": {}}
            runs = [await deployment.submit(algorithm, body) for _ in range(5)]
            for run in runs:
                result = await deployment.finished(algorithm, run, 2 * PATIENCE)
                assert result["status"] == "DEADLINE_EXCEEDED"

            async def each_cluster_has_one_leader() -> bool:
                return await clusters_led(first) + await clusters_led(second) == led

            await until_so(each_cluster_has_one_leader)
            settled = [
                await total(one, "nexus_supervisor_settled_runs_total") for one in (first, second)
            ]
            assert sum(settled) == len(runs)


async def test_when_the_leader_stops_in_order_the_other_takes_over_at_once(
    deployment: Deployment,
) -> None:
    async with a_supervisor(deployment) as first:
        await until_so(lambda: clusters_led(first))
        async with a_supervisor(deployment) as second:
            assert await clusters_led(second) == 0
            first.process.terminate()
            assert await first.process.wait() == 0

            # Far below the lease that the row would have, were it not given up.
            await until_so(lambda: clusters_led(second), LEASE)
