"""One service of a world, in a process of its own.

It is the real one, on its real foundation and with its real settings. What can't be done to it from
outside of its process is done to its parts, on the way between the two; see `meddler`.
"""

import os
import random
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from msgspec import field

import nexus_receiver.composition
import nexus_scheduler.composition
import nexus_supervisor.composition
from chaos.control import Control
from chaos.history import Recorder
from chaos.meddler import JumpingClock, Meddler
from chaos.remote_cluster import RemoteCluster, serve
from nexus_core.aio.tasks import BackgroundTasks
from nexus_core.composition.clusters import open_clusters
from nexus_core.ports.cluster import Cluster
from nexus_core.settings.sections import Listen, ServiceSettings
from nexus_core.web.process import run_process
from nexus_core.web.server import bind, listening
from nexus_receiver.parts import ReceiverParts
from nexus_receiver.settings import ReceiverSettings
from nexus_scheduler.parts import SchedulerParts
from nexus_scheduler.settings import SchedulerSettings
from nexus_supervisor.parts import SupervisorParts
from nexus_supervisor.settings import SupervisorSettings
from support.caller import REPOSITORY

FOLDER = "CHAOS_FOLDER"
"""Where the history goes, and where what is wrong is read."""
NAME = "CHAOS_NAME"
CLUSTER_URL = "CHAOS_CLUSTER_URL"
"""Where the cluster is that several processes reach; empty: the settings say it."""
DICE = "CHAOS_DICE"
"""What decides which calls are befallen."""


_ORDINARY_PARTS = (
    "index",
    "leases",
    "journal",
    "election",
    "retention",
    "payloads",
    "buffered_payloads",
    "stored_content",
)
"""Those of which nothing is recorded; not every service has all of them."""

P = TypeVar("P", SchedulerParts, ReceiverParts, SupervisorParts)


def control_file(folder: Path, name: str) -> Path:
    """Return where it is said what is wrong inside of a service."""
    return folder / f"{name}.control.json"


def history_folder(folder: Path) -> Path:
    """Return where all histories are."""
    return folder / "history"


class _Outside:
    """What the environment says beyond settings."""

    def __init__(self) -> None:
        folder, name = Path(os.environ[FOLDER]), os.environ[NAME]
        control = Control(control_file(folder, name))
        recorder = Recorder(history_folder(folder) / f"{name}-{os.getpid()}.jsonl")
        self.clock = JumpingClock(control)
        dice = random.Random(os.environ[DICE])  # noqa: S311 - no secret
        self.meddler = Meddler(name, control, recorder, dice)
        self._cluster_url = os.environ.get(CLUSTER_URL, "")

    async def befalls(self, parts: P, stack: AsyncExitStack) -> P:
        """Return the parts of a service, each of which is meddled with."""
        known = {part.name: getattr(parts, part.name) for part in fields(parts)}
        changed = {
            name: self.meddler.part(name, known[name])
            for name in _ORDINARY_PARTS
            if known.get(name) is not None
        }
        changed["store"] = self.meddler.store(known["store"])
        if "callback" in known:
            changed["callback"] = self.meddler.callback(known["callback"])
        if "clusters" in known:
            changed["clusters"] = {
                name: self.meddler.cluster(await self._elsewhere(name, opened, stack))
                for name, opened in known["clusters"].items()
            }
        return replace(parts, **changed)

    async def _elsewhere(self, name: str, opened: Cluster, stack: AsyncExitStack) -> Cluster:
        """Return the cluster that is in a process of its own, or else the one that was opened."""
        if not self._cluster_url:
            return opened
        return await stack.enter_async_context(RemoteCluster.open(name, self._cluster_url))


@asynccontextmanager
async def open_from_outside(
    composition: Any, settings: ServiceSettings
) -> AsyncIterator[BackgroundTasks]:
    """Run a service on its real foundation, whose parts and clock are no longer to be trusted.

    `composition` is the module that is the service's composition root.
    """
    async with AsyncExitStack() as stack:
        outside = _Outside()
        opening = composition.open_foundation(settings, outside.clock)
        foundation = await stack.enter_async_context(opening)
        foundation = replace(foundation, parts=await outside.befalls(foundation.parts, stack))
        yield await stack.enter_async_context(composition.open_service(foundation))


open_scheduler = partial(open_from_outside, nexus_scheduler.composition)
open_receiver = partial(open_from_outside, nexus_receiver.composition)
open_supervisor = partial(open_from_outside, nexus_supervisor.composition)


class ClusterSettings(ServiceSettings, frozen=True):
    """Settings of the process that runs the Jobs."""

    listen: Listen = field(default_factory=Listen)


@asynccontextmanager
async def open_cluster(settings: ClusterSettings) -> AsyncIterator[BackgroundTasks]:
    outside = _Outside()
    with bind(settings.listen.host, settings.listen.port) as bound:
        async with (
            open_clusters(settings, outside.clock) as clusters,
            BackgroundTasks() as tasks,
            listening(serve(*clusters.values()), bound, settings.drain_timeout),
        ):
            yield tasks


def run_here(service: str, environment: dict[str, str], log: str) -> None:
    """Become a service: of this process, nothing but its imports is left. Ends it."""
    # Out of reach of what a terminal sends to all that it started.
    os.setsid()
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.chdir(REPOSITORY)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [service]
    sys.exit(_SERVICES[service]())


_SERVICES: Mapping[str, Callable[[], int]] = {
    "scheduler": partial(run_process, "scheduler", SchedulerSettings, open_scheduler),
    "receiver": partial(run_process, "receiver", ReceiverSettings, open_receiver),
    "supervisor": partial(run_process, "supervisor", SupervisorSettings, open_supervisor),
    "cluster": partial(run_process, "cluster", ClusterSettings, open_cluster),
}
