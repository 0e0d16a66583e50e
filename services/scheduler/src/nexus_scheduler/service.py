"""The whole scheduler on given parts: what is started, in which order, and how it stops."""

import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import structlog
from aiohttp import web
from nexus_core.web.documentation import add_documentation
from prometheus_client import CollectorRegistry

from nexus_core.aio.tasks import BackgroundTasks
from nexus_core.operations.launch import Launcher
from nexus_core.operations.settle import Settler
from nexus_core.telemetry.http_metrics import HttpMetrics
from nexus_core.web.endpoints import add_family
from nexus_core.web.probes import Health, add_probes
from nexus_core.web.server import listening, url_of
from nexus_scheduler.cancel import Canceller
from nexus_scheduler.lease import LeaseKeeper
from nexus_scheduler.lookup import Lookup
from nexus_scheduler.metrics import QueueMetrics, RunMetrics
from nexus_scheduler.parts import Identity, SchedulerParts
from nexus_scheduler.queue import Lane, LaunchQueue
from nexus_scheduler.recovery import Recovery
from nexus_scheduler.routes.api import latest_family, v1_family
from nexus_scheduler.routes.data import DataRoutes
from nexus_scheduler.routes.handlers import Handlers
from nexus_scheduler.routes.internal import InternalRoutes
from nexus_scheduler.settings import SchedulerSettings
from nexus_scheduler.submit import Submitter
from nexus_scheduler.waiters import Waiters

log = structlog.get_logger()


@asynccontextmanager
async def open_scheduler(
    parts: SchedulerParts,
    settings: SchedulerSettings,
    bound: socket.socket,
    tasks_above: BackgroundTasks | None = None,
) -> AsyncIterator[BackgroundTasks]:
    """Run a scheduler while the block runs; yield its background tasks.

    On leaving: not ready, no new requests, requests and launches under way end or are cut off after
    `drain_timeout`, the lease is released. What is queued stays in the store.
    """
    registry = CollectorRegistry()
    waiters = Waiters()
    settler = Settler(parts.store, waiters)
    queue = _make_queue(parts, settings, settler, registry)
    valid_for = timedelta(seconds=settings.s3_buffer.buffer_config.payload_valid_for)
    lease = LeaseKeeper(
        parts.leases,
        settings.host_name,
        settings.callback_url or url_of(bound),
        timedelta(seconds=settings.lease_duration),
        parts.clock,
    )
    health = _watch(parts)
    app = _make_app(parts, settings, queue, waiters, settler, registry, health)
    started_at = parts.clock.now()
    async with AsyncExitStack() as stack:
        await lease.renew()
        stack.push_async_callback(lease.release)
        tasks = await stack.enter_async_context(BackgroundTasks(tasks_above))
        stack.push_async_callback(queue.drain, settings.drain_timeout)
        queue.start(tasks)
        tasks.start("lease", lease.keep())
        recovery = Recovery(parts, queue, settings.host_name, valid_for)
        tasks.start("recovery", recovery.recover(started_at), may_finish=True)
        await stack.enter_async_context(listening(app, bound, settings.drain_timeout))
        stack.callback(waiters.close)
        stack.callback(health.stopping)
        log.info("scheduler listens", url=url_of(bound), owner=settings.host_name)
        yield tasks


def _make_queue(
    parts: SchedulerParts,
    settings: SchedulerSettings,
    settler: Settler,
    registry: CollectorRegistry,
) -> LaunchQueue:
    config = settings.s3_buffer.buffer_config
    launcher = Launcher(parts.store, parts.payloads, parts.clusters, settler, parts.clock)
    metrics = QueueMetrics(registry)
    lanes = {
        name: Lane(name, launcher, config, parts.clock, metrics) for name in sorted(parts.clusters)
    }
    for name, lane in lanes.items():
        metrics.watch_depth(name, lane.__len__)
    return LaunchQueue(lanes, config.queue_limit)


def _watch(parts: SchedulerParts) -> Health:
    health = Health()
    health.watch("checkpoint-store", parts.store.ping)
    health.watch("payload-store", parts.payloads.ping)
    health.watch("catalogue", parts.catalogue.ping)
    for name, cluster in parts.clusters.items():
        health.watch(f"cluster {name}", cluster.ping)
    return health


def _make_app(
    parts: SchedulerParts,
    settings: SchedulerSettings,
    queue: LaunchQueue,
    waiters: Waiters,
    settler: Settler,
    registry: CollectorRegistry,
    health: Health,
) -> web.Application:
    metrics = RunMetrics(registry)
    metrics.watch_waiting(waiters.__len__)
    identity = Identity(
        owner=settings.host_name,
        scheduler_url=settings.scheduler_url.rstrip("/"),
        receiver_url=settings.receiver_url.rstrip("/"),
    )
    valid_for = timedelta(seconds=settings.s3_buffer.buffer_config.payload_valid_for)
    handlers = Handlers(
        Submitter(parts, queue, metrics, identity),
        Canceller(parts, queue, settler),
        Lookup(parts, waiters, valid_for),
        parts.index,
        settings.max_payload_size,
        settings.body_timeout,
    )
    tokens = frozenset(settings.api_tokens)
    data = DataRoutes(parts, settings.max_payload_size, settings.body_timeout)
    families = [latest_family(handlers, tokens), v1_family(handlers, tokens), data.family()]
    if settings.callback.secret:
        families.append(InternalRoutes(waiters).family(settings.callback.secret))
    app = web.Application()
    http_metrics = HttpMetrics(registry)
    for family in families:
        add_family(app, family, http_metrics)
    add_documentation(app, "Nexus scheduler", families)
    add_probes(app, health, registry)
    return app
