"""Payloads that go to Cassandra instead of S3, from the request to the Job."""

import os
from collections.abc import AsyncIterator
from io import BytesIO
from urllib.parse import urlsplit

import aiohttp
import msgspec
import pytest
import pytest_asyncio

from nexus_core.adapters.cassandra.connect import DriverName, open_session
from nexus_core.adapters.cassandra.session import Statement
from nexus_core.domain.names import RunKey
from support.algorithms import Algorithms
from support.cassandra import LIMITS, plan_of
from support.deployment import Deployment, Servers, a_deployment
from tools.testbed.kubernetes.outcomes import Outcome

pytestmark = [
    pytest.mark.integration,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("buffered payloads"),
]

PARAMETERS = {"name": "Ada", "numbers": [1, 2.5, -3e10], "nested": {"ключ": "värde"}}

# The same, as Go packs it.
PACKED_BY_GO = (
    "H4sIAAAAAAAA/6pWykvMTVWyUnJMSVTSUcorzU1KLSpWsoo21DHSM9XRNU41NIjVUcpLLS5JTVGyqla6sOvC7ot9F9uV"
    "rJTKDi8pSklVqq0FBAAA///SNit6RQAAAA=="
)

BACKEND = {"payloadSerialization": "backend"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def deployment(servers: Servers) -> AsyncIterator[Deployment]:
    """Schedulers that share a secret, so that payloads can be served by them."""
    async with a_deployment(servers) as deployment:
        await deployment.start(NEXUS__SIGNING__SECRET="known to all schedulers")
        yield deployment
        assert set((await deployment.stop()).values()) == {0}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def algorithm(deployment: Deployment, algorithms: Algorithms) -> str:
    return await deployment.learns(await algorithms.publish(Outcome.RUNS, payloads=BACKEND))


async def submit(deployment: Deployment, algorithm: str, parameters: object) -> tuple[int, str]:
    """Submit a run of any size; return the status of the answer and its text."""
    url = f"{deployment.url}/algorithm/v1/run/{algorithm}"
    body = BytesIO(msgspec.json.encode({"algorithmParameters": parameters}))
    async with aiohttp.ClientSession() as session, session.post(url, data=body) as answer:
        return answer.status, await answer.text()


async def test_a_job_reads_its_payload_from_the_table_through_the_scheduler(
    deployment: Deployment, algorithms: Algorithms, algorithm: str
) -> None:
    id_ = await deployment.submit(algorithm, {"algorithmParameters": PARAMETERS})

    job = await algorithms.job(RunKey(algorithm, id_))
    url = job["spec"]["template"]["spec"]["containers"][0]["args"][0].removeprefix("--sas-uri=")
    assert urlsplit(url).netloc == urlsplit(deployment.url).netloc
    assert await deployment.fetch(url) == PARAMETERS
    # A client is led to it, too.
    path = f"/algorithm/v1/payload/{algorithm}/requests/{id_}"
    assert await deployment.fetch(f"{deployment.url}{path}") == PARAMETERS


async def test_a_payload_that_a_scheduler_in_go_wrote_is_served(
    deployment: Deployment, servers: Servers, algorithm: str
) -> None:
    id_ = await deployment.submit(algorithm, {"algorithmParameters": {"not": "this"}})
    plan = plan_of(servers.cassandra, servers.keyspace)
    update = "INSERT INTO payload_buffer (algorithm, id, payload_content) VALUES (?, ?, ?)"
    async with open_session(plan, LIMITS, DriverName.ACSYLLA) as session:
        await session.execute(Statement(update), (algorithm, id_, PACKED_BY_GO))

    path = f"/algorithm/v1/payload/{algorithm}/requests/{id_}"
    assert await deployment.fetch(f"{deployment.url}{path}") == PARAMETERS


async def test_a_payload_too_large_for_a_row_is_refused(
    deployment: Deployment, algorithm: str
) -> None:
    status, text = await submit(deployment, algorithm, {"noise": os.urandom(4_000_000).hex()})

    assert status == 400
    assert "payloadSerialization: backend takes a payload of up to 4096 KiB" in text


async def test_a_payload_of_nearly_that_size_is_taken(
    deployment: Deployment, algorithm: str
) -> None:
    # Hexadecimal digits shrink to a little more than half, and base64 adds a third to that.
    parameters = {"noise": os.urandom(2_600_000).hex()}
    status, text = await submit(deployment, algorithm, parameters)

    assert status == 202, text
    id_ = msgspec.json.decode(text)["requestId"]
    path = f"/algorithm/v1/payload/{algorithm}/requests/{id_}"
    assert await deployment.fetch(f"{deployment.url}{path}") == parameters


async def test_without_a_secret_that_schedulers_share_it_is_refused_in_words(
    servers: Servers, algorithms: Algorithms
) -> None:
    refused = await algorithms.publish(Outcome.RUNS, payloads=BACKEND)
    taken = await algorithms.publish(Outcome.RUNS)
    async with a_deployment(servers) as deployment:
        await deployment.start("SCHEDULER")
        await deployment.learns(taken)

        status, text = await submit(deployment, refused, PARAMETERS)

    assert status == 400
    assert "NEXUS__SIGNING__SECRET" in text
