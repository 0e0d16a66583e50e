"""The world on embedded parts: SQLite, a folder of payloads, and processes of this machine.

Two schedulers, a receiver, two supervisors and the cluster, each a process of its own on one data
folder. `remote_cluster` says how the cluster is shared.
"""

import asyncio
import contextlib
import os
import signal
import sqlite3
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Self

import yaml

from chaos import history, templates
from chaos.deeds import Targets
from chaos.history import Ending, Line, Started
from chaos.launcher import CLUSTER_URL, DICE, FOLDER, history_folder
from chaos.observer import Observer
from chaos.orders import Kind
from chaos.remote_cluster import RemoteCluster
from chaos.world import LiveJob, Row, Service
from nexus_core.domain.errors import NexusError
from nexus_core.domain.names import RunKey
from nexus_core.domain.observation import JobPhase
from support.caller import REPOSITORY, inherited_environment, own_host
from support.gate import Gate, a_gate
from support.processes import end_pods

_CLUSTER = "chaos"
_LEASE = 3.0

_SCHEDULERS = ("scheduler-1", "scheduler-2")
_SUPERVISORS = ("supervisor-1", "supervisor-2")
_PARTS = ("store", "index", "leases", "journal", "payloads", "cluster")

_TARGETS = Targets(
    services=(*_SCHEDULERS, "receiver", *_SUPERVISORS, "cluster"),
    gates=(*_SCHEDULERS, "receiver", "cluster"),
    parts={
        **dict.fromkeys(_SCHEDULERS, _PARTS),
        "receiver": ("store", "payloads", "callback"),
        **dict.fromkeys(_SUPERVISORS, (*_PARTS, "election", "callback")),
        "cluster": (),
    },
    lease=_LEASE,
)
_PORTS = dict(zip(_TARGETS.services, count(21_000), strict=False))

# A world in a hurry: what is waited for here are leases and graces, and there are many of them.
_SETTINGS = {
    "NEXUS__LOG_LEVEL": "warning",
    "NEXUS__LOG_FORMAT": "json",
    "NEXUS__DRAIN_TIMEOUT": "2s",
    "NEXUS__PROCESS_CLUSTER__NAME": _CLUSTER,
    "NEXUS__PROCESS_CLUSTER__MAX_PODS": "100",
    "NEXUS__S3_BUFFER__BUFFER_CONFIG__RATE_LIMIT_ELEMENTS_PER_SECOND": "50",
    "NEXUS__S3_BUFFER__BUFFER_CONFIG__RATE_LIMIT_ELEMENTS_BURST": "50",
}
_OF_SCHEDULERS = {"NEXUS__LEASE_DURATION": f"{_LEASE}s"}
_OF_SUPERVISORS = {
    "NEXUS__LEADERSHIP__LEASE_DURATION": f"{_LEASE}s",
    "NEXUS__SWEEP__INTERVAL": "1s",
    "NEXUS__SWEEP__LATE_AFTER": "35s",
    "NEXUS__SWEEP__NEW_EXPIRES_AFTER": "60s",
    "NEXUS__SWEEP__JOB_MISSING_GRACE": "4s",
    "NEXUS__SWEEP__MASS_LOSS_GRACE": "8s",
    "NEXUS__SWEEP__COMPLETION_GRACE": "4s",
    "NEXUS__SWEEP__STRAGGLER_GRACE": "4s",
}

# What of the tables is looked at, and how the store looks up what is open.
_ROWS = (
    "SELECT algorithm, id, tag, lifecycle_stage, algorithm_failure_cause,"
    " algorithm_failure_details, result_uri FROM checkpoints"
)
_OPEN = (
    "SELECT algorithm, id FROM checkpoints INDEXED BY checkpoints_open"
    " WHERE lifecycle_stage IN ('NEW', 'BUFFERED', 'RUNNING')"
)

# After a jump back of a clock, what was written before it is from the future for so long; on top
# of that come the graces, and some patience with a busy machine.
_PATIENCE = 120.0


class EmbeddedWorld:
    """See `world.World`."""

    kinds = frozenset(Kind)
    patience = _PATIENCE

    def __init__(
        self, folder: Path, seed: int, gates: dict[str, Gate], cluster: RemoteCluster
    ) -> None:
        self.folder = folder
        self.targets = _TARGETS
        self.gates = gates
        self.services: dict[str, Service] = {}
        self._seed = seed
        self._cluster = cluster
        self._algorithms = history_folder(folder) / "algorithms.jsonl"
        self._news = _News(self._algorithms)
        self._database = folder / "data/checkpoints.sqlite"

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: Path, seed: int) -> AsyncIterator[Self]:
        """Start all services; end all, and all that they started, whatever happens."""
        async with AsyncExitStack() as stack:
            gates = {
                name: await stack.enter_async_context(a_gate(own_host(), port))
                for name, port in _PORTS.items()
                if name in _TARGETS.gates
            }
            cluster = RemoteCluster.open(_CLUSTER, _url_of(gates["cluster"]))
            world = cls(folder, seed, gates, await stack.enter_async_context(cluster))
            world._publish()
            stack.callback(end_pods, folder / "data/cluster")
            for name in _TARGETS.services:
                service = Service(name, name.split("-")[0], world._environment(name), folder)
                world.services[name] = service
                stack.push_async_callback(service.kill)
                service.start()
            await world._is_there()
            observer = Observer(world.rows, history_folder(folder))
            await stack.enter_async_context(observer.observing())
            await stack.enter_async_context(world._news.reading())
            yield world

    @property
    def schedulers(self) -> Sequence[str]:
        return [_url_of(self.gates[name]) for name in _SCHEDULERS]

    async def started(self, run: RunKey) -> None:
        await self._news.started(run)

    async def delete_job(self, run: RunKey) -> None:
        while True:
            try:
                await self._cluster.delete_job(run)
            except NexusError:
                await asyncio.sleep(0.2)  # it is just being cut, or killed
            else:
                return

    async def kill_pod(self, run: RunKey) -> None:
        pid = self._news.pid_of(run)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(os.getsid(pid), signal.SIGKILL)

    async def rows(self) -> Sequence[Row]:
        return await asyncio.to_thread(self._read_rows)

    async def open_rows(self) -> Collection[RunKey]:
        return {RunKey(*row) for row in await asyncio.to_thread(self._query, _OPEN)}

    async def jobs(self) -> Sequence[LiveJob]:
        return [
            LiveJob(run=job.key, uid=job.uid, active=job.phase is JobPhase.ACTIVE)
            async for job in self._cluster.jobs()
        ]

    async def remains(self) -> Sequence[str]:
        ((state,),) = await asyncio.to_thread(self._query, "PRAGMA integrity_check")
        return [] if state == "ok" else [f"the database is damaged: {state}"]

    def lines(self) -> Sequence[Line]:
        return list(history.read(history_folder(self.folder)))

    def _read_rows(self) -> list[Row]:
        return [
            Row(
                run=RunKey(algorithm, request_id),
                label=tag,
                ending=Ending(stage=stage, cause=cause, details=details, result_uri=result),
            )
            for algorithm, request_id, tag, stage, cause, details, result in self._query(_ROWS)
        ]

    def _query(self, query: str) -> list[tuple[str, ...]]:
        """Read past all services; nothing can be written by this."""
        with contextlib.closing(
            sqlite3.connect(f"file:{self._database}?mode=ro", uri=True, timeout=30)
        ) as connection:
            return connection.execute(query).fetchall()

    def _publish(self) -> None:
        history_folder(self.folder).mkdir(parents=True)
        folder = self.folder / "catalogue"
        folder.mkdir()
        environment = {"CHAOS_ALGORITHMS": str(self._algorithms)}
        command = "bash tests/chaos/algorithm.sh"
        manifests = [templates.template(kind, command, environment) for kind in self.kinds]
        for manifest in (templates.workgroup(_CLUSTER), *manifests):
            file = folder / f"{manifest['metadata']['name']}.yaml"
            file.write_text(yaml.safe_dump(manifest))

    def _environment(self, name: str) -> dict[str, str]:
        kind = name.split("-", maxsplit=1)[0]
        own = {"scheduler": _OF_SCHEDULERS, "supervisor": _OF_SUPERVISORS}.get(kind, {})
        scheduler = name if kind == "scheduler" else _SCHEDULERS[0]
        cluster = self.folder / ("data/cluster" if kind == "cluster" else f"unused/{name}")
        return {
            **inherited_environment(),
            **_SETTINGS,
            **own,
            "NEXUS__DATA_PATH": str(self.folder / "data"),
            "NEXUS__CATALOGUE__PATHS": str(self.folder / "catalogue"),
            "NEXUS__PROCESS_CLUSTER__PATH": str(cluster),
            "NEXUS__PROCESS_CLUSTER__WORKING_DIRECTORY": str(REPOSITORY),
            "NEXUS__HOST_NAME": name,
            "NEXUS__LISTEN__HOST": own_host(),
            "NEXUS__LISTEN__PORT": str(_PORTS[name]),
            "NEXUS__SCHEDULER_URL": _url_of(self.gates[scheduler]),
            "NEXUS__RECEIVER_URL": _url_of(self.gates["receiver"]),
            "PYTHONPATH": str(REPOSITORY / "tests"),
            FOLDER: str(self.folder),
            DICE: f"{self._seed} {name}",
            CLUSTER_URL: "" if kind == "cluster" else _url_of(self.gates["cluster"]),
        }

    async def _is_there(self) -> None:
        """Wait until everything is there that is looked at."""
        async with asyncio.timeout(60):
            while not self._database.exists():  # noqa: ASYNC110 - a process tells nobody
                await asyncio.sleep(0.1)
            while True:
                try:
                    await self._cluster.ping()
                    await self.rows()
                except (NexusError, sqlite3.Error):
                    await asyncio.sleep(0.1)
                else:
                    return


def _url_of(gate: Gate) -> str:
    """Return where the others reach a service: before its gate."""
    return f"http://{gate.host}:{gate.port}"


class _News:
    """What algorithms say of themselves, as soon as they do."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._read = 0
        self._pids: dict[RunKey, int] = {}
        self._started: defaultdict[RunKey, asyncio.Event] = defaultdict(asyncio.Event)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        """Read along while the block runs."""
        reader = asyncio.create_task(self._read_along(), name="news of algorithms")
        yield
        reader.cancel()
        await asyncio.wait({reader})

    async def started(self, run: RunKey) -> None:
        """Return when an algorithm of a run has begun."""
        await self._started[run].wait()

    def pid_of(self, run: RunKey) -> int:
        """Return the process of the first try of a run that has begun."""
        return self._pids[run]

    async def _read_along(self) -> None:
        while True:
            self._look()
            await asyncio.sleep(0.1)  # who writes tells nobody

    def _look(self) -> None:
        if not self._file.exists():
            return
        with self._file.open("rb") as file:
            file.seek(self._read)
            fresh = file.read()
        whole = fresh[: fresh.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in history.parse(whole):
            if isinstance(line, Started):
                self._pids.setdefault(line.run, line.pid)
                self._started[line.run].set()
