"""How often a run asks each server: counted by the servers, or on the way to them."""

import itertools
import ssl
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import NamedTuple

import psutil
import yaml

from benchmarks.real.bare import BareCassandra
from benchmarks.real.contests import CLIENTS, Arena
from benchmarks.real.ground import Ground
from benchmarks.real.relay import open_relay
from benchmarks.real.services import gated_scheduler, receiver
from benchmarks.workload import completions, run_requests
from nexus_core.domain.stages import Stage
from tools.testbed.kubernetes.kubeconfig import write

Count = Callable[[], Awaitable[int]]


class RoundTrips(NamedTuple):
    """The requests of one kind that came with some runs."""

    what: str
    designed: int
    """A run."""
    requests: int
    """In all."""

    def each(self, runs: int) -> int:
        """Return how many each run takes."""
        return self.requests // runs

    def beside(self, runs: int) -> int:
        """Return those that come with no run in particular: leases, lists of parts, heartbeats."""
        return self.requests % runs


async def count_round_trips(arena: Arena, runs: int) -> list[RoundTrips]:
    """Take runs through their lives, and count what is asked for at each step.

    Cassandra counts the requests of each connection. The S3 server does not count, and the API
    server can't tell its clients apart in what it counts, so a relay before each of them does.
    """
    ground = arena.ground
    async with AsyncExitStack() as stack:
        tls = ssl.create_default_context(cafile=ground.kubernetes.ca)
        cluster = await stack.enter_async_context(open_relay(ground.kubernetes.endpoint, tls))
        bucket = await stack.enter_async_context(open_relay(ground.s3.endpoint))
        scheduler = await stack.enter_async_context(
            gated_scheduler(
                ground,
                HOST_NAME="bench-counted",
                S3_BUFFER__ENDPOINT=bucket.url,
                SHARD_KUBE_CONFIG_PATH=_shards_by(cluster.url, ground),
            )
        )
        counted = await stack.enter_async_context(receiver(ground, S3_BUFFER__ENDPOINT=bucket.url))

        async def puts() -> int:
            return bucket.requests.total()

        async def posts() -> int:
            return cluster.requests.total()

        # What only happens once has happened: statements are prepared, connections there.
        await scheduler.load(itertools.islice(run_requests(), CLIENTS), CLIENTS)
        await scheduler.launch(CLIENTS)

        async def accept() -> None:
            await scheduler.load(itertools.islice(run_requests(), runs), CLIENTS)

        async def launch() -> None:
            await scheduler.launch(runs)

        async def complete() -> None:
            await counted.load(completions(ids), CLIENTS)

        started = await arena.rows(runs + CLIENTS, Stage.RUNNING)
        warm_up = [run.request_id for run in started[runs:]]
        await counted.load(completions(warm_up), CLIENTS)
        ids = [run.request_id for run in started[:runs]]
        of_scheduler = _asked_by(scheduler.pid, arena.cassandra, ground)
        of_receiver = _asked_by(counted.pid, arena.cassandra, ground)
        return [
            *await _during(
                accept,
                ("accept: S3, the payload", 1, puts),
                ("accept: Cassandra, a batch", 1, of_scheduler),
                ("accept: API server", 0, posts),
            ),
            *await _during(
                launch,
                ("launch: API server, the Job", 1, posts),
                ("launch: Cassandra, compare-and-set", 1, of_scheduler),
                ("launch: S3", 0, puts),
            ),
            *await _during(
                complete,
                ("complete: Cassandra, compare-and-set", 1, of_receiver),
                ("complete: S3", 0, puts),
            ),
        ]


async def _during(
    step: Callable[[], Awaitable[None]], *counts: tuple[str, int, Count]
) -> list[RoundTrips]:
    before = [await count() for _, _, count in counts]
    await step()
    return [
        RoundTrips(what, designed, await count() - earlier)
        for (what, designed, count), earlier in zip(counts, before, strict=True)
    ]


def _asked_by(pid: int, cassandra: BareCassandra, ground: Ground) -> Count:
    """Return how to ask Cassandra for the number of requests of a process."""

    async def asked() -> int:
        ports = {
            connection.laddr.port
            for connection in psutil.Process(pid).net_connections("tcp")
            if connection.status == psutil.CONN_ESTABLISHED
            and connection.raddr.port == ground.cassandra.port
        }
        rows = await cassandra.ask("SELECT port, request_count FROM system_views.clients")
        return sum(row["request_count"] for row in rows if row["port"] in ports)

    return asked


def _shards_by(url: str, ground: Ground) -> str:
    """Return a folder whose kubeconfig leads through the relay."""
    config = yaml.safe_load(ground.kubeconfig.read_text())
    config["clusters"][0]["cluster"] = {"server": url}
    file = ground.folder / "relayed" / ground.kubeconfig.name
    return str(write(file, yaml.safe_dump(config)).parent)
