"""Who competes with whom: accepting, launching and completing runs."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Self

import uuid_utils

from benchmarks.load import Load
from benchmarks.real.bare import (
    BareBucket,
    BareCassandra,
    BareCluster,
    Operation,
    at_once,
    bare_session,
    prepare_rows,
)
from benchmarks.real.cpu import Components
from benchmarks.real.ground import Ground, administrator
from benchmarks.real.recorded import RunRecord, record_run
from benchmarks.real.services import Service, accepting_scheduler, gated_scheduler, receiver
from benchmarks.real.turns import Contestant, Length, take_turns
from benchmarks.workload import completions, run_requests
from nexus_core.domain.stages import Stage
from nexus_core.settings.payloads import BufferConfig

CLIENTS = 64
WORKERS = BufferConfig().workers
"""Launches at the same time, as schedulers have it unless told otherwise."""


@dataclass(frozen=True)
class Contest:
    """One service, and what its servers take of the same requests without it."""

    title: str
    alone: list[Contestant]
    """A server each."""
    both: Contestant | None
    """A bare client that asks one server after the other, as the service does."""
    service: Contestant


@dataclass(frozen=True, kw_only=True)
class Arena:
    """What all contests need."""

    ground: Ground
    record: RunRecord
    cassandra: BareCassandra
    bucket: BareBucket
    cluster: BareCluster
    components: Components
    rounds: int

    @classmethod
    @asynccontextmanager
    async def open(cls, ground: Ground, rounds: int) -> AsyncIterator[Self]:
        """Connect to the servers."""
        record = await record_run(ground)
        async with AsyncExitStack() as stack:
            cassandra = await stack.enter_async_context(BareCassandra.open(ground))
            await cassandra.prepare(record)
            http = await stack.enter_async_context(bare_session(CLIENTS))
            yield cls(
                ground=ground,
                record=record,
                cassandra=cassandra,
                bucket=BareBucket(http, ground),
                cluster=BareCluster(http, ground),
                components=Components(ground),
                rounds=rounds,
            )

    def runs(self, count: int) -> list[RunRecord]:
        """Return runs that no server has heard of, filed in a part of their own."""
        part = str(uuid_utils.uuid7())
        return [self.record.of(str(uuid_utils.uuid7()), part) for _ in range(count)]

    async def rows(self, count: int, stage: Stage) -> list[RunRecord]:
        """Return runs whose checkpoints are in a stage."""
        runs = self.runs(count)
        await prepare_rows(self.cassandra, runs, stage.value)
        return runs

    def bare(
        self,
        name: str,
        operation: Operation,
        clients: int,
        prepare: Callable[[int], Awaitable[list[RunRecord]]],
    ) -> Contestant:
        """Return a bare client."""

        async def ready(count: int) -> Callable[[], Awaitable[Load]]:
            runs = await prepare(count)
            return lambda: at_once(operation, runs, clients)

        return Contestant(name, ready)


@asynccontextmanager
async def measured(
    opening: AbstractAsyncContextManager[Service], arena: Arena
) -> AsyncIterator[Service]:
    """Run a service and count its CPU time."""
    async with opening as service:
        with arena.components.counting(service.name, service.pid):
            yield service


async def accepting(arena: Arena, length: Length) -> Contest:
    """Measure a scheduler that accepts runs."""

    async def fresh(count: int) -> list[RunRecord]:
        return arena.runs(count)

    async def both(run: RunRecord) -> None:
        await arena.bucket.put(run)
        await arena.cassandra.accept(run)

    async with measured(accepting_scheduler(arena.ground), arena) as service:

        async def ready(count: int) -> Callable[[], Awaitable[Load]]:
            return lambda: service.load(itertools.islice(run_requests(), count), CLIENTS)

        contest = Contest(
            f"Accepted runs, {CLIENTS} clients, bodies of 1 KiB",
            [
                arena.bare("PUTs of the payload, bare", arena.bucket.put, CLIENTS, fresh),
                arena.bare("batches of its rows, bare", arena.cassandra.accept, CLIENTS, fresh),
            ],
            arena.bare("one after the other, bare", both, CLIENTS, fresh),
            Contestant("scheduler", ready),
        )
        await _hold(contest, arena, length)
    return contest


async def launching(arena: Arena, length: Length) -> Contest:
    """Measure a scheduler that launches what is queued."""

    async def clear() -> None:
        async with administrator(arena.ground) as connection:
            await connection.request("DELETE", arena.ground.jobs_path)

    async def buffered(count: int) -> list[RunRecord]:
        await clear()
        return await arena.rows(count, Stage.BUFFERED)

    async def both(run: RunRecord) -> None:
        await arena.cluster.create(run)
        await arena.cassandra.start(run)

    async with measured(gated_scheduler(arena.ground), arena) as service:

        async def ready(count: int) -> Callable[[], Awaitable[Load]]:
            await clear()
            await service.load(itertools.islice(run_requests(), count), CLIENTS)
            return lambda: service.launch(count)

        contest = Contest(
            f"Launched Jobs, {WORKERS} workers",
            [
                arena.bare("POSTs of the Job, bare", arena.cluster.create, WORKERS, buffered),
                arena.bare(
                    "compare-and-set to RUNNING, bare", arena.cassandra.start, WORKERS, buffered
                ),
            ],
            arena.bare("one after the other, bare", both, WORKERS, buffered),
            Contestant("scheduler", ready),
        )
        await _hold(contest, arena, length)
        await clear()
    return contest


async def completing(arena: Arena, length: Length) -> Contest:
    """Measure a receiver."""

    async def running(count: int) -> list[RunRecord]:
        return await arena.rows(count, Stage.RUNNING)

    async with measured(receiver(arena.ground), arena) as service:

        async def ready(count: int) -> Callable[[], Awaitable[Load]]:
            ids = [run.request_id for run in await running(count)]
            return lambda: service.load(completions(ids), CLIENTS)

        contest = Contest(
            f"Completions, {CLIENTS} clients",
            [
                arena.bare(
                    "compare-and-set to COMPLETED, bare", arena.cassandra.finish, CLIENTS, running
                )
            ],
            None,
            Contestant("receiver", ready),
        )
        await _hold(contest, arena, length)
    return contest


async def _hold(contest: Contest, arena: Arena, length: Length) -> None:
    both = [contest.both] if contest.both else []
    await take_turns(
        [*contest.alone, *both, contest.service], arena.components, arena.rounds, length
    )
