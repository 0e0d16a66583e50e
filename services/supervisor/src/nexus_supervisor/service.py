"""The whole supervisor on given parts: what is started, in which order, and how it stops."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import structlog
from aiohttp import web

from nexus_core import __version__
from nexus_core.aio.backoff import Backoff
from nexus_core.aio.tasks import BackgroundTasks
from nexus_core.aio.throttle import Throttle
from nexus_core.operations.compare_clocks import inspect_clocks
from nexus_core.operations.guarded_cluster import GuardedCluster, guard_clusters
from nexus_core.operations.launch import Launcher
from nexus_core.operations.settle import Settler
from nexus_core.web.probes import Health, add_probes
from nexus_core.web.server import listening, url_of
from nexus_supervisor.chronicle import Chronicle
from nexus_supervisor.enforce import Enforcer
from nexus_supervisor.follow import Follower
from nexus_supervisor.keep_logs import LogKeeper
from nexus_supervisor.leadership import Leadership
from nexus_supervisor.metrics import SupervisorMetrics
from nexus_supervisor.orphans import OrphanSearch
from nexus_supervisor.parts import SupervisorParts
from nexus_supervisor.removals import Removals
from nexus_supervisor.retire import Retirer
from nexus_supervisor.rounds import RetentionRounds
from nexus_supervisor.settings import SupervisorSettings
from nexus_supervisor.sweep import Sweeper

log = structlog.get_logger()


@asynccontextmanager
async def open_supervisor(
    parts: SupervisorParts,
    settings: SupervisorSettings,
    bound: socket.socket,
    tasks_above: BackgroundTasks | None = None,
) -> AsyncIterator[BackgroundTasks]:
    """Run a supervisor while the block runs; yield its background tasks.

    It holds nothing that could be lost but what was just seen of runs: on leaving it stops where it
    is, and writes that down.
    """
    registry = parts.registry
    metrics = SupervisorMetrics(registry)
    health = Health()
    health.watch("checkpoint-store", parts.store.ping)
    if parts.payloads is not None:
        # It only renews the URLs of runs that waited long, and is cleared of what is old.
        health.watch("payload-store", parts.payloads.ping, required=False)
    clusters = guard_clusters(parts.clusters, parts.clock, settings.circuit.pace())
    parts = replace(parts, clusters=clusters)
    app = web.Application()
    add_probes(app, health, registry)
    chronicles = {
        name: Chronicle(parts.journal, name, parts.clock, metrics.stories)
        for name in parts.clusters
    }
    async with AsyncExitStack() as stack:
        stack.push_async_callback(_drain, chronicles.values(), settings.drain_timeout)
        tasks = await stack.enter_async_context(BackgroundTasks(tasks_above))
        clocks = inspect_clocks(parts.timekeepers, parts.clock, registry)
        for inspection in (*parts.inspections, *clocks):
            health.inspect(inspection, tasks)
        for cluster in clusters.values():
            # One that is away keeps nobody from looking after the others.
            health.show(cluster.circuit)
            _look_after(cluster, parts, settings, metrics, chronicles[cluster.name], tasks)
        _remove_what_is_old(parts, settings, metrics, tasks)
        await stack.enter_async_context(listening(app, bound, settings.drain_timeout))
        stack.push_async_callback(health.stop, parts.clock, settings.unready_grace)
        log.info(
            "supervisor listens",
            version=__version__,
            url=url_of(bound),
            clusters=sorted(parts.clusters),
        )
        await health.readiness()  # for its lines in the log, should nobody ever ask
        yield tasks


async def _drain(chronicles: Iterable[Chronicle], within: float) -> None:
    await asyncio.gather(*(chronicle.drain(within) for chronicle in chronicles))


def _look_after(
    cluster: GuardedCluster,
    parts: SupervisorParts,
    settings: SupervisorSettings,
    metrics: SupervisorMetrics,
    chronicle: Chronicle,
    tasks: BackgroundTasks,
) -> None:
    """Follow one cluster and sweep for it, while no other supervisor does."""
    name = cluster.name
    cluster.start(tasks)
    leadership = Leadership(
        parts.election, name, parts.candidate, settings.leadership.lease_duration, parts.clock
    )
    metrics.feed.watch(name, leads=lambda: leadership.leads, silence=cluster.silence)
    metrics.circuits.watch(cluster.circuit)
    settler = Settler(parts.store, parts.callback)
    keeper = LogKeeper(parts, cluster, settings.logs, metrics.stories)
    enforcer = Enforcer(parts, cluster, settler, keeper, metrics.runs, chronicle)
    launcher = Launcher(
        parts.store,
        parts.payloads,
        parts.clusters,
        settler,
        parts.clock,
        parts.buffered_payloads,
    )
    config = settings.s3_buffer.buffer_config
    throttle = Throttle(
        config.rate_limit_elements_per_second,
        config.rate_limit_elements_burst,
        Backoff(config.failure_rate_base_delay, config.failure_rate_max_delay),
        parts.clock,
        (cluster.circuit,),
    )
    follower = Follower(
        cluster, enforcer, settings.thresholds().patience, metrics.feed, parts.clock
    )
    sweeper = Sweeper(parts, cluster, enforcer, launcher, settings, throttle)
    tasks.start(f"chronicle {name}", chronicle.write())

    def work(tasks: BackgroundTasks) -> None:
        tasks.start(f"follow {name}", follower.follow())
        tasks.start(f"sweep {name}", sweeper.sweep_for_ever())

    tasks.start(f"lead {name}", leadership.stand(work, tasks))


def _remove_what_is_old(
    parts: SupervisorParts,
    settings: SupervisorSettings,
    metrics: SupervisorMetrics,
    tasks: BackgroundTasks,
) -> None:
    """Remove what has had its time, of the runs of all clusters."""
    retention = settings.retention
    removals = Removals(parts, retention.parallel)
    retirer = Retirer(parts, removals, retention, metrics.removal)
    orphans = None
    if parts.stored_content is not None:
        orphans = OrphanSearch(parts, parts.stored_content, removals, retention, metrics.removal)
    rounds = RetentionRounds(parts, retirer, orphans, retention, parts.candidate, metrics.removal)
    tasks.start("retention", rounds.go_on())
