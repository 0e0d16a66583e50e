"""Bare clients: the requests of runs, sent by who does nothing else."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import acsylla
import aiohttp
import yaml
from yarl import URL

from benchmarks.load import Load
from benchmarks.real.ground import Ground
from benchmarks.real.recorded import Command, RunRecord
from nexus_core.adapters.cassandra.session import UNSET
from nexus_core.adapters.s3.addresses import Addressing, BucketAddress
from nexus_core.adapters.s3.signatures import Credentials, Request, Signer
from nexus_core.aio.clock import SystemClock

Operation = Callable[[RunRecord], Awaitable[object]]
"""Does something for a run."""

_SECONDS = 30.0

# More than any measurement: rows are only prepared so.
_PREPARING = 256


async def at_once(operation: Operation, runs: Iterable[RunRecord], clients: int) -> Load:
    """Do something for each run, so many of them at a time."""
    waiting, latencies = iter(runs), list[float]()

    async def client() -> None:
        for run in waiting:
            began = time.perf_counter()
            await operation(run)
            latencies.append(time.perf_counter() - began)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for number in range(clients):
            tasks.create_task(client(), name=f"bare client {number}")
    return Load(len(latencies), time.perf_counter() - began, {}, latencies)


class BareCassandra:
    """Prepared statements and batches, straight through the driver."""

    def __init__(self, session: Any) -> None:  # noqa: ANN401 - it has no types
        self._session = session
        self._prepared: dict[str, Any] = {}

    @classmethod
    @asynccontextmanager
    async def open(cls, ground: Ground) -> AsyncIterator[Self]:
        """Connect."""
        server = ground.cassandra
        cluster = acsylla.create_cluster(
            contact_points=server.host,
            port=server.port,
            username=server.user,
            password=server.password,
            load_balance_dc_aware=server.local_dc,
            consistency=acsylla.Consistency.LOCAL_QUORUM,
            serial_consistency=acsylla.Consistency.LOCAL_SERIAL,
            request_timeout=_SECONDS,
            log_level="error",
            # What matters comes back as an error.
            logging_callback=lambda _: None,
            # As the adapter has it: the default suits loads that are larger than this.
            coalesce_delay_us=50,
        )
        session = await cluster.create_session()
        try:
            yield cls(session)
        finally:
            await session.close()

    async def prepare(self, record: RunRecord) -> None:
        """Prepare all that a run takes."""
        for command in (*record.accept, record.start, record.finish):
            self._prepared[command.cql] = await self._session.create_prepared(command.cql)

    async def accept(self, run: RunRecord) -> None:
        """Write all rows of a new run, in one batch."""
        batch = acsylla.create_batch_logged(timeout=_SECONDS)
        batch.set_consistency(acsylla.Consistency.LOCAL_QUORUM)
        for command in run.accept:
            batch.add_statement(self._bound(command))
        await self._session.execute_batch(batch)

    async def write_checkpoint(self, run: RunRecord) -> None:
        """Write its checkpoint alone."""
        await self._session.execute(self._bound(run.accept[0]))

    async def start(self, run: RunRecord) -> None:
        """Bring it from BUFFERED to RUNNING."""
        await self._change(run.start)

    async def finish(self, run: RunRecord) -> None:
        """Bring it to COMPLETED."""
        await self._change(run.finish)

    async def ask(self, cql: str) -> list[dict[str, Any]]:
        """Return the rows of a query, by the names of its columns."""
        result = await self._session.execute(acsylla.create_statement(cql))
        return [row.as_dict() for row in result]

    async def _change(self, command: Command) -> None:
        result = await self._session.execute(self._bound(command))
        (row,) = result
        assert row.column_value("[applied]")

    def _bound(self, command: Command) -> Any:  # noqa: ANN401 - likewise
        bound = self._prepared[command.cql].bind(timeout=_SECONDS)
        for index, value in enumerate(command.values):
            if value is not UNSET:
                bound.bind(index, value)
        return bound


async def prepare_rows(cassandra: BareCassandra, runs: Sequence[RunRecord], stage: str) -> None:
    """Write checkpoints of runs that are in some stage."""

    async def write(run: RunRecord) -> None:
        checkpoint = run.accept[0]
        values = [stage if value == "BUFFERED" else value for value in checkpoint.values]
        own = Command(checkpoint.cql, tuple(values))
        await cassandra.write_checkpoint(run._replace(accept=(own,)))

    await at_once(write, runs, _PREPARING)


class BareBucket:
    """PUTs that are signed by hand."""

    def __init__(self, session: aiohttp.ClientSession, ground: Ground) -> None:
        server = ground.s3
        self._session = session
        self._address = BucketAddress.of(server.endpoint, server.bucket, Addressing.PATH)
        self._signer = Signer(self._address, server.region)
        self._credentials = Credentials(server.access_key_id, server.secret_access_key)
        self._prefix = f"{ground.name}/bare"
        self._clock = SystemClock()

    async def put(self, run: RunRecord) -> None:
        """Store the payload of a run."""
        key = f"{self._prefix}/{run.request_id}"
        request = Request("PUT", key, body=run.payload, content_type="application/json")
        digest = sha256(run.payload).hexdigest()
        headers = self._signer.headers(self._credentials, request, digest, self._clock.now())
        url = URL(self._address.origin + self._address.path_of(key), encoded=True)
        async with self._session.put(url, data=run.payload, headers=headers) as response:
            assert response.status == 200, await response.text()
            await response.read()


class BareCluster:
    """POSTs of Jobs."""

    def __init__(self, session: aiohttp.ClientSession, ground: Ground) -> None:
        config = yaml.safe_load(Path(ground.kubernetes.nexus_kubeconfig).read_text())
        self._session = session
        self._url = URL(ground.kubernetes.endpoint + ground.jobs_path)
        self._tls = ssl.create_default_context(cafile=ground.kubernetes.ca)
        self._headers = {
            "Authorization": f"Bearer {config['users'][0]['user']['token']}",
            "Content-Type": "application/json",
            "Accept": "application/json",
        }

    async def create(self, run: RunRecord) -> None:
        """Create the Job of a run."""
        async with self._session.post(
            self._url, data=unmanaged(run.manifest), headers=self._headers, ssl=self._tls
        ) as response:
            assert response.status == 201, await response.text()
            await response.read()


def unmanaged(manifest: bytes) -> bytes:
    """Return a Job that no controller touches, since somebody else is said to manage it.

    So that what is measured is the creation of Jobs, and pods of thousands of them don't run.
    """
    return manifest.replace(b'"spec":{', b'"spec":{"managedBy":"nexus.bench/nobody",', 1)


@asynccontextmanager
async def bare_session(connections: int) -> AsyncIterator[aiohttp.ClientSession]:
    """Open a pool of connections."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections),
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type"),
        timeout=aiohttp.ClientTimeout(total=_SECONDS),
    ) as session:
        yield session
