"""A server that goes away costs latency, not runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
import pytest_asyncio
from msgspec.structs import replace

from nexus_core.domain.names import RunKey
from support.algorithms import Algorithms
from support.deployment import Deployment, Servers, a_deployment
from support.gate import Gate, a_gate
from support.kubeconfigs import lead_through
from tools.testbed.kubernetes.outcomes import Outcome

pytestmark = [
    pytest.mark.integration,
    pytest.mark.asyncio(loop_scope="module"),
]

# Longer than the patience for a single request, so that some fail; short enough for a test.
AWAY_SECONDS = 12.0


class Gates:
    """A gate before each of the servers."""

    def __init__(self, cassandra: Gate, s3: Gate, kubernetes: Gate) -> None:
        self.by_name = {"cassandra": cassandra, "s3": s3, "kubernetes": kubernetes}


@pytest_asyncio.fixture(loop_scope="module")
async def gates(servers: Servers) -> AsyncIterator[Gates]:
    s3, kubernetes = urlsplit(servers.s3.endpoint), urlsplit(servers.kubernetes.endpoint)
    async with AsyncExitStack() as stack:

        async def gate(host: str | None, port: int | None) -> Gate:
            assert host
            assert port
            return await stack.enter_async_context(a_gate(host, port))

        yield Gates(
            await gate(servers.cassandra.host, servers.cassandra.port),
            await gate(s3.hostname, s3.port),
            await gate(kubernetes.hostname, kubernetes.port),
        )


@pytest_asyncio.fixture(loop_scope="module")
async def deployment(servers: Servers, gates: Gates, tmp_path: Path) -> AsyncIterator[Deployment]:
    """Scheduler, receiver and supervisor behind the gates."""
    cassandra, s3, kubernetes = gates.by_name.values()
    shards = lead_through(servers.kubernetes, f"https://127.0.0.1:{kubernetes.port}", tmp_path)
    behind = Servers(
        cassandra=replace(servers.cassandra, host=cassandra.host, port=cassandra.port),
        s3=replace(servers.s3, endpoint=f"http://127.0.0.1:{s3.port}"),
        kubernetes=replace(servers.kubernetes, shards_folder=str(shards)),
        keyspace=servers.keyspace,
    )
    async with a_deployment(behind) as deployment:
        yield deployment


async def submit_patiently(deployment: Deployment, algorithm: str) -> RunKey:
    """Submit as published clients do: again after a 429, 500, 502 or 503, and after no answer."""
    url = f"{deployment.url}/algorithm/v1/run/{algorithm}"
    async with asyncio.timeout(90), aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.post(url, json={"algorithmParameters": {}}) as answer:
                    if answer.status == 202:
                        return RunKey(algorithm, (await answer.json())["requestId"])
                    assert answer.status in {429, 503}, (answer.status, await answer.text())
                    assert int(answer.headers["Retry-After"]) >= 1
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(0.5)  # what a client does between two tries


def goes_away(gate: Gate, how: str) -> None:
    match how:
        case "dead":
            gate.shut()
        case "stuck":
            gate.stick()
        case "deaf":
            gate.answer_nobody()
        case "slow":
            gate.dawdle(1.0)
        case "empty-handed":
            gate.hang_up()


@pytest.mark.timeout(240)
@pytest.mark.parametrize("how", ["dead", "stuck", "deaf", "slow", "empty-handed"])
@pytest.mark.parametrize("server", ["cassandra", "s3", "kubernetes"])
async def test_runs_before_during_and_after_an_outage_all_complete(
    deployment: Deployment, gates: Gates, algorithms: Algorithms, server: str, how: str
) -> None:
    algorithm = await algorithms.publish(Outcome.RUNS)
    await deployment.start()
    gate = gates.by_name[server]
    runs = [await submit_patiently(deployment, algorithm) for _ in range(3)]

    goes_away(gate, how)
    during = [
        asyncio.create_task(submit_patiently(deployment, algorithm), name="a client")
        for _ in range(3)
    ]
    await asyncio.sleep(AWAY_SECONDS)  # an outage is time that passes for processes
    await gate.open()
    runs += await asyncio.gather(*during)
    runs.append(await submit_patiently(deployment, algorithm))

    for run in runs:
        await algorithms.job(run)
        await deployment.complete(algorithm, run.request_id, resultUri="s3a://results/1")
        result = await deployment.finished(algorithm, run.request_id)
        assert result["status"] == "COMPLETED"
    for process in deployment.processes.values():
        assert process.returncode is None
