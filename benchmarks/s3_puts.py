"""`python -m benchmarks.s3_puts`: what a put to S3 costs, signed here and by aiobotocore.

Against the server of the testbed. Each contestant takes turns; all run on one core, beside the
server's. Presigned URLs and reads are measured too.
"""

import argparse
import asyncio
import os
import statistics
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

import uvloop
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from nexus_core.adapters.s3.location import Location
from nexus_core.adapters.s3.payload_store import S3PayloadStore
from nexus_core.adapters.s3.settings import S3Settings
from nexus_core.aio.clock import SystemClock
from nexus_core.domain.data_urls import SignedUrls
from nexus_core.domain.names import RunKey
from nexus_core.ports.payload_store import Content
from nexus_core.settings.values import Secret
from tools.testbed.description import S3Description, read_description
from tools.testbed.places import Places

LOAD_CORE = 1
IN_FLIGHT = 64
PREFIX = "benchmarks"
HOUR = timedelta(hours=1)

Operation = Callable[[str], Awaitable[object]]
"""Does one thing with the object of an id."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.s3_puts", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--operations", type=int, default=2_000, help="a round (default 2000)")
    parser.add_argument("--size", type=int, default=1024, help="of a body, in bytes")
    options = parser.parse_args()
    server = read_description(Places.from_environment()).s3
    if server is None:
        raise SystemExit("no s3 runs in the testbed: make testbed-up")
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {LOAD_CORE})
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_compete(server, options.rounds, options.operations, options.size))


async def _compete(server: S3Description, rounds: int, operations: int, size: int) -> None:
    body = bytes(size)
    async with AsyncExitStack() as stack:
        ours = await stack.enter_async_context(_ours(server))
        theirs = await stack.enter_async_context(_theirs(server))
        contestants = {**_operations(ours, body), **_their_operations(theirs, server.bucket, body)}
        results: dict[str, list[tuple[float, float]]] = {name: [] for name in contestants}
        for turn in range(rounds + 1):
            ids = [str(uuid.uuid4()) for _ in range(operations)]
            for name, operation in contestants.items():
                result = await _measure(operation, ids)
                if turn:  # the first one warms up
                    results[name].append(result)
    print(f"{IN_FLIGHT} in flight, bodies of {size} bytes, medians of {rounds} rounds\n")
    for name, measured in results.items():
        rate = statistics.median(rate for rate, _ in measured)
        cpu = statistics.median(cpu for _, cpu in measured)
        print(f"{name:<36} {rate:>8,.0f}/s {cpu * 1e6:>8,.0f} µs CPU")


async def _measure(operation: Operation, ids: list[str]) -> tuple[float, float]:
    """Return operations a second, and seconds of CPU time for one."""
    waiting = iter(ids)

    async def client() -> None:
        for name in waiting:
            await operation(name)

    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(client() for _ in range(IN_FLIGHT)))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return len(ids) / wall, cpu / len(ids)


@asynccontextmanager
async def _ours(server: S3Description) -> AsyncIterator[S3PayloadStore]:
    settings = S3Settings(
        location=Location(server.bucket, PREFIX),
        endpoint=server.endpoint,
        region=server.region,
        access_key_id=server.access_key_id,
        secret_access_key=Secret(server.secret_access_key),
        connections=IN_FLIGHT,
    )
    urls = SignedUrls("http://127.0.0.1:8080", b"a secret of benchmarks")
    async with S3PayloadStore.open(settings, urls, SystemClock()) as store:
        yield store


@asynccontextmanager
async def _theirs(server: S3Description) -> AsyncIterator[Any]:
    async with get_session().create_client(
        "s3",
        endpoint_url=server.endpoint,
        region_name=server.region,
        aws_access_key_id=server.access_key_id,
        aws_secret_access_key=server.secret_access_key,
        config=AioConfig(
            max_pool_connections=IN_FLIGHT,
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    ) as client:
        yield client


def _operations(store: S3PayloadStore, body: bytes) -> dict[str, Operation]:
    async def put(name: str) -> None:
        await store.put(Content.PAYLOAD, RunKey("bench", name), body)

    async def get(name: str) -> None:
        stored = await store.get(Content.PAYLOAD, RunKey("bench", name))
        assert stored is not None
        assert sum([len(chunk) async for chunk in stored.chunks]) == len(body)

    async def size(name: str) -> None:
        assert await store.size(Content.PAYLOAD, RunKey("bench", name)) == len(body)

    async def presign(name: str) -> None:
        await store.download_url(Content.PAYLOAD, RunKey("bench", name), HOUR)

    return {
        "put, signed here": put,
        "get, signed here": get,
        "head, signed here": size,
        "presigned URL, signed here": presign,
    }


def _their_operations(client: Any, bucket: str, body: bytes) -> dict[str, Operation]:  # noqa: ANN401 - its class is made at run time
    def key(name: str) -> str:
        return f"{PREFIX}/algorithm=bench/{name}"

    async def put(name: str) -> None:
        await client.put_object(
            Bucket=bucket, Key=key(name), Body=body, ContentType="application/json"
        )

    async def get(name: str) -> None:
        answer = await client.get_object(Bucket=bucket, Key=key(name))
        async with answer["Body"] as stream:
            assert len(await stream.read()) == len(body)

    async def size(name: str) -> None:
        answer = await client.head_object(Bucket=bucket, Key=key(name))
        assert answer["ContentLength"] == len(body)

    async def presign(name: str) -> None:
        where = {"Bucket": bucket, "Key": key(name)}
        await client.generate_presigned_url("get_object", Params=where, ExpiresIn=3600)

    return {
        "put, aiobotocore": put,
        "get, aiobotocore": get,
        "head, aiobotocore": size,
        "presigned URL, aiobotocore": presign,
    }


if __name__ == "__main__":
    main()
