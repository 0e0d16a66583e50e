"""The world on real servers: Cassandra, S3 and Kubernetes, as `make testbed-up` starts them.

Two schedulers, two receivers and two supervisors, each a process of its own; gates before those who
listen, and before each server. What computes in the pods is in `pods`, the cluster in `shard`.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import aiohttp

from chaos import history
from chaos.deeds import Targets
from chaos.history import Ending, Line, Recorder
from chaos.launcher import DICE, FOLDER, history_folder
from chaos.observer import Observer
from chaos.orders import Kind
from chaos.pods import Algorithms
from chaos.servers import make_keyspace, running_servers, settings_behind, url_of
from chaos.shard import CLUSTER, Shard
from chaos.world import LiveJob, Row, Service
from nexus_core.adapters.cassandra.connect import DriverName, open_session
from nexus_core.adapters.cassandra.fences import is_fence
from nexus_core.adapters.cassandra.session import CqlSession, Statement, Value
from nexus_core.aio.clock import SystemClock
from nexus_core.composition.checkpoint_stores import open_checkpoint_stores
from nexus_core.domain.checkpoint import RunCursor
from nexus_core.domain.names import RunKey
from nexus_core.ports.run_index import RunIndex
from nexus_core.settings.loader import load
from nexus_core.settings.sections import ServiceSettings
from support.caller import REPOSITORY, inherited_environment, own_host
from support.cassandra import LIMITS, drop_keyspace, plan_of
from support.deployment import Servers
from support.gate import Gate, a_gate

_LEASE = 3.0

_SCHEDULERS = ("scheduler-1", "scheduler-2")
_RECEIVERS = ("receiver-1", "receiver-2")
_SUPERVISORS = ("supervisor-1", "supervisor-2")
_SERVICES = (*_SCHEDULERS, *_RECEIVERS, *_SUPERVISORS)
_SERVERS = ("cassandra", "s3", "kubernetes")
_PARTS = ("store", "index", "leases", "journal", "payloads", "cluster")

_TARGETS = Targets(
    services=_SERVICES,
    gates=(*_SCHEDULERS, *_RECEIVERS, *_SERVERS),
    parts={
        **dict.fromkeys(_SCHEDULERS, _PARTS),
        **dict.fromkeys(_RECEIVERS, ("store", "payloads", "callback")),
        **dict.fromkeys(_SUPERVISORS, (*_PARTS, "callback")),
    },
    lease=_LEASE,
)
_PORTS = dict(zip(_SERVICES, count(22_000), strict=False))

# A world in a hurry: what is waited for here are leases and graces, and there are many of them.
_SETTINGS = {
    "NEXUS__LOG_LEVEL": "warning",
    "NEXUS__LOG_FORMAT": "json",
    "NEXUS__DRAIN_TIMEOUT": "2s",
    "NEXUS__S3_BUFFER__BUFFER_CONFIG__RATE_LIMIT_ELEMENTS_PER_SECOND": "30",
    "NEXUS__S3_BUFFER__BUFFER_CONFIG__RATE_LIMIT_ELEMENTS_BURST": "30",
}
_OF_SUPERVISORS = {
    "NEXUS__LEADERSHIP__LEASE_DURATION": f"{_LEASE}s",
    "NEXUS__SWEEP__INTERVAL": "1s",
    "NEXUS__SWEEP__LATE_AFTER": "35s",
    "NEXUS__SWEEP__NEW_EXPIRES_AFTER": "60s",
    # Long against two answers of an API server that hangs now and then, short against our patience.
    "NEXUS__SWEEP__JOB_MISSING_GRACE": "6s",
    "NEXUS__SWEEP__MASS_LOSS_GRACE": "12s",
    "NEXUS__SWEEP__COMPLETION_GRACE": "6s",
    "NEXUS__PATIENCE__CONTAINER": "6s",
    "NEXUS__SWEEP__STRAGGLER_GRACE": "4s",
}

_ROWS = Statement(
    "SELECT algorithm, id, tag, lifecycle_stage, algorithm_failure_cause,"
    " algorithm_failure_details, result_uri FROM checkpoints"
)
_PAGE = 1000

# After a jump back of a clock, what was written before it is from the future for so long; on top
# come the graces, the ten seconds that Kubernetes waits before a second try, and a busy machine.
_PATIENCE = 240.0

# Six processes that start at once, beside three servers, on two cores.
_START = 180.0


class RealWorld:
    """See `world.World`."""

    targets = _TARGETS
    kinds = frozenset(Kind)
    patience = _PATIENCE

    def __init__(self, folder: Path, seed: int, shard: Shard, algorithms: Algorithms) -> None:
        self.folder = folder
        self.gates: dict[str, Gate] = {}
        self.services: dict[str, Service] = {}
        self._seed = seed
        self._shard = shard
        self._algorithms = algorithms
        self._session: CqlSession | None = None
        self._index: RunIndex | None = None

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: Path, seed: int) -> AsyncIterator[Self]:
        """Start all services on servers that run; end them, and remove what they left there."""
        name = f"chaos_{secrets.token_hex(5)}"
        servers = running_servers(name)
        recorder = Recorder(history_folder(folder) / "algorithms.jsonl")
        async with AsyncExitStack() as stack:
            await make_keyspace(servers)
            stack.push_async_callback(drop_keyspace, servers.cassandra, name)
            shard = await stack.enter_async_context(
                Shard.open(servers.kubernetes, name.replace("_", "-"))
            )
            await shard.publish(sorted(cls.kinds))
            computing = Algorithms.computing(shard, recorder)
            world = cls(folder, seed, shard, await stack.enter_async_context(computing))
            await world._look_into(servers, stack)
            await world._open_gates(servers, stack)
            behind = settings_behind(world.gates, servers, folder)
            for service in _SERVICES:
                world._add(service, behind, stack)
            await world._is_ready()
            observer = Observer(world.rows, history_folder(folder))
            await stack.enter_async_context(observer.observing())
            yield world

    @property
    def schedulers(self) -> Sequence[str]:
        return [url_of(self.gates[name]) for name in _SCHEDULERS]

    async def started(self, run: RunKey) -> None:
        await self._algorithms.started(run)

    async def delete_job(self, run: RunKey) -> None:
        await self._shard.delete_job(run)

    async def kill_pod(self, run: RunKey) -> None:
        await self._algorithms.lose_pod(run)

    async def rows(self) -> Sequence[Row]:
        assert self._session is not None
        pages = self._session.pages(_ROWS, page_size=_PAGE)
        rows = [_row(row) async for page in pages for row in page]
        # A fence stands where a run never came to be; nobody may have been answered with it.
        return [row for row in rows if not is_fence(row.ending.stage, row.ending.cause)]

    async def open_rows(self) -> Collection[RunKey]:
        assert self._index is not None
        found: set[RunKey] = set()
        after = None
        now = SystemClock().now()
        while page := await self._index.open_runs(CLUSTER, now, _PAGE, after):
            found.update(run.key for run in page)
            after = RunCursor(page[-1].received_at, page[-1].key.request_id)
        return found

    async def jobs(self) -> Sequence[LiveJob]:
        return await self._shard.jobs()

    async def remains(self) -> Sequence[str]:
        return []

    def lines(self) -> Sequence[Line]:
        return list(history.read(history_folder(self.folder)))

    async def _look_into(self, servers: Servers, stack: AsyncExitStack) -> None:
        """Open ways to the store past all gates."""
        plan = plan_of(servers.cassandra, servers.keyspace)
        session = open_session(plan, LIMITS, DriverName.ACSYLLA)
        self._session = await stack.enter_async_context(session)
        settings = load(ServiceSettings, servers.settings())
        stores = open_checkpoint_stores(settings, SystemClock())
        self._index = (await stack.enter_async_context(stores)).index

    async def _open_gates(self, servers: Servers, stack: AsyncExitStack) -> None:
        s3, kubernetes = urlsplit(servers.s3.endpoint), urlsplit(servers.kubernetes.endpoint)
        behind = {name: (own_host(), _PORTS[name]) for name in (*_SCHEDULERS, *_RECEIVERS)} | {
            "cassandra": (servers.cassandra.host, servers.cassandra.port),
            "s3": (s3.hostname or "", s3.port or 0),
            "kubernetes": (kubernetes.hostname or "", kubernetes.port or 0),
        }
        for name, (host, port) in behind.items():
            self.gates[name] = await stack.enter_async_context(a_gate(host, port))

    def _add(self, name: str, settings: Mapping[str, str], stack: AsyncExitStack) -> None:
        kind, _, number = name.partition("-")
        environment = self._environment(name, kind, int(number) - 1)
        service = Service(name, kind, {**settings, **environment}, self.folder)
        self.services[name] = service
        stack.push_async_callback(service.kill)
        service.start()

    async def _is_ready(self) -> None:
        """Wait until those are ready who listen, and with them all that they need."""
        async with asyncio.timeout(_START), aiohttp.ClientSession() as session:
            for name in (*_SCHEDULERS, *_RECEIVERS):
                while not await _says_ready(session, url_of(self.gates[name])):  # noqa: ASYNC110 - a process tells nobody when it is ready
                    await asyncio.sleep(0.2)

    def _environment(self, name: str, kind: str, number: int) -> dict[str, str]:
        own: dict[str, str] = {}
        if kind == "scheduler":
            # Whoever calls it back comes through its gate, as its clients do.
            own["NEXUS__CALLBACK_URL"] = url_of(self.gates[name])
            own["NEXUS__LEASE_DURATION"] = f"{_LEASE}s"
        elif kind == "supervisor":
            own = _OF_SUPERVISORS
        return {
            **inherited_environment(),
            **_SETTINGS,
            **own,
            "NEXUS__DATA_PATH": str(self.folder / "data" / name),
            "NEXUS__RUNTIME_NAMESPACE": self._shard.namespace,
            "NEXUS__DEPLOY_NAMESPACE": self._shard.namespace,
            "NEXUS__HOST_NAME": name,
            "NEXUS__LISTEN__HOST": own_host(),
            "NEXUS__LISTEN__PORT": str(_PORTS[name]),
            "NEXUS__SCHEDULER_URL": url_of(self.gates[_SCHEDULERS[number]]),
            "NEXUS__RECEIVER_URL": url_of(self.gates[_RECEIVERS[number]]),
            "PYTHONPATH": str(REPOSITORY / "tests"),
            FOLDER: str(self.folder),
            DICE: f"{self._seed} {name}",
        }


def _row(columns: Sequence[Value]) -> Row:
    algorithm, request_id, tag, stage, cause, details, result = map(_text, columns)
    ending = Ending(stage=stage, cause=cause, details=details, result_uri=result)
    return Row(run=RunKey(algorithm, request_id), label=tag, ending=ending)


def _text(value: Value) -> str:
    """Return a text; what is not there is empty."""
    return value if isinstance(value, str) else ""


async def _says_ready(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(f"{url}/readyz") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False
