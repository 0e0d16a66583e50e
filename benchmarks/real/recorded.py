"""The requests of one run as the adapters send them, to be sent again for other runs."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import NamedTuple, Self

import uuid_utils

from benchmarks.real.ground import Ground
from benchmarks.workload import ALGORITHM, CATALOGUE, request_body
from nexus_core import __version__
from nexus_core.adapters.cassandra.acsylla_driver import open_driver
from nexus_core.adapters.cassandra.driver_session import DriverSession, with_keyspace
from nexus_core.adapters.cassandra.session import Outcome, Statement, Value, Write
from nexus_core.adapters.cassandra.stores import Variant, open_cassandra_stores
from nexus_core.adapters.folder.catalogue import FolderCatalogue
from nexus_core.aio.clock import SystemClock
from nexus_core.composition.cql_store import cql_store
from nexus_core.composition.data_folder import prepare_data_folder
from nexus_core.composition.payload_stores import open_payload_store
from nexus_core.composition.signing import open_signed_urls
from nexus_core.domain.acceptance import AcceptedRun, RunFacts, accept_run, decode_request, plan_run
from nexus_core.domain.job_manifest import RunUrls
from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import Stage, StageChange
from nexus_core.domain.standard_runs import StandardRuns
from nexus_core.ports.payload_store import Content
from nexus_core.settings.loader import load
from nexus_scheduler.settings import SchedulerSettings

_DAY = timedelta(days=1)


class Command(NamedTuple):
    """A statement of CQL and its values."""

    cql: str
    values: tuple[Value, ...]


class RunRecord(NamedTuple):
    """What a run asks of the servers."""

    request_id: str
    part: str
    """Of the open runs, the one in which it is filed."""
    payload: bytes
    manifest: bytes
    accept: tuple[Command, ...]
    """One batch; the checkpoint comes first."""
    start: Command
    finish: Command

    def of(self, request_id: str, part: str) -> Self:
        """Return the same of another run."""

        def renamed(command: Command) -> Command:
            return Command(command.cql, tuple(map(other, command.values)))

        def other(value: Value) -> Value:
            if not isinstance(value, str):
                return value
            return value.replace(self.request_id, request_id).replace(self.part, part)

        return self._replace(
            request_id=request_id,
            part=part,
            manifest=self.manifest.replace(self.request_id.encode(), request_id.encode()),
            accept=tuple(map(renamed, self.accept)),
            start=renamed(self.start),
            finish=renamed(self.finish),
        )


class _RecordingSession(DriverSession):
    """Runs what it is asked for, and writes it down."""

    def record(self) -> None:
        self.batches: list[Sequence[Write]] = []
        self.transactions: list[Write] = []

    async def apply(
        self, statement: Statement, values: Sequence[Value] = (), *, within: float | None = None
    ) -> Outcome:
        self.transactions.append((statement, values))
        return await super().apply(statement, values, within=within)

    async def batch(self, writes: Sequence[Write], *, within: float | None = None) -> None:
        self.batches.append(writes)
        await super().batch(writes, within=within)


async def record_run(ground: Ground) -> RunRecord:
    """Take a run through its life, without a Job."""
    settings = prepare_data_folder(load(SchedulerSettings, ground.environment()))
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(_session(ground, settings))
        variant = Variant(indexed=settings.scylla_cql_store.indexes_supported)
        stores = await stack.enter_async_context(open_cassandra_stores(session, clock, variant))
        run = await _make(settings, stack)
        session.record()
        await stores.checkpoints.accept(run.checkpoint, run.job)
        now = clock.now()
        await stores.checkpoints.advance(
            run.key, StageChange(to=Stage.RUNNING, at=now, sent_at=now, job_uid=run.key.request_id)
        )
        await stores.checkpoints.advance(
            run.key, StageChange(to=Stage.COMPLETED, at=now, result_uri="s3a://bucket/results/it")
        )

        def command(write: Write) -> Command:
            statement, values = write
            return Command(with_keyspace(statement.cql, session.keyspace), tuple(values))

        accept = tuple(map(command, session.batches[-1]))
        start, finish = map(command, session.transactions)
        (part,) = (command.values[1] for command in accept if "open_runs" in command.cql)
        assert isinstance(part, str)
        return RunRecord(
            run.key.request_id, part, run.payload, run.job.manifest, accept, start, finish
        )


async def _make(settings: SchedulerSettings, stack: AsyncExitStack) -> AcceptedRun:
    """Make a run as a scheduler does."""
    clock = SystemClock()
    catalogue = await stack.enter_async_context(FolderCatalogue.open([CATALOGUE], clock))
    urls = open_signed_urls(settings)
    payloads = await stack.enter_async_context(open_payload_store(settings, urls, clock))
    template = catalogue.template(ALGORITHM)
    assert template is not None
    standard = StandardRuns(_DAY)
    plan = plan_run(decode_request(request_body()), template, standard)
    workgroup = catalogue.workgroup(plan.workgroup)
    assert workgroup is not None
    key = RunKey(ALGORITHM, str(uuid_utils.uuid7()))
    facts = RunFacts(
        request_id=key.request_id,
        now=clock.now(),
        owner="bench",
        workgroup=workgroup.spec,
        urls=RunUrls(
            payload=await payloads.download_url(Content.PAYLOAD, key, _DAY, plan.content_hash),
            result_upload=await payloads.upload_url(Content.RESULT, key, _DAY),
            receiver=settings.receiver_url,
            scheduler=settings.scheduler_url,
        ),
        nexus_version=__version__,
    )
    return accept_run(plan, facts, standard)


@asynccontextmanager
async def _session(ground: Ground, settings: SchedulerSettings) -> AsyncIterator[_RecordingSession]:
    store = cql_store(settings)
    driver = await open_driver(store.plan)
    try:
        session = _RecordingSession(
            driver, keyspace=ground.name, name=store.plan.name, limits=store.limits
        )
        session.record()
        yield session
    finally:
        await driver.close()
