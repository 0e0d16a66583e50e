"""The whole scheduler on given parts: what is started, in which order, and how it stops."""

import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import structlog
from aiohttp import web

from nexus_core import __version__
from nexus_core.aio.tasks import BackgroundTasks
from nexus_core.operations.compare_clocks import inspect_clocks
from nexus_core.operations.guarded_cluster import guard_clusters
from nexus_core.operations.launch import Launcher
from nexus_core.operations.settle import Settler
from nexus_core.telemetry.http_metrics import HttpMetrics
from nexus_core.telemetry.registry import make_registry
from nexus_core.web.documentation import add_documentation
from nexus_core.web.endpoints import Family, add_family
from nexus_core.web.probes import Health, add_probes
from nexus_core.web.server import listening, url_of
from nexus_scheduler.cancel import Canceller
from nexus_scheduler.client_urls import ClientUrls
from nexus_scheduler.explain import Explainer
from nexus_scheduler.intake import Intake
from nexus_scheduler.lane_samples import LaneSampler
from nexus_scheduler.lease import RENEWALS, LeaseKeeper
from nexus_scheduler.logs import RunLogs
from nexus_scheduler.lookup import Lookup
from nexus_scheduler.metrics import CircuitMetrics, QueueMetrics, RunMetrics
from nexus_scheduler.parts import Identity, SchedulerParts
from nexus_scheduler.queue import Lane, LaunchQueue
from nexus_scheduler.recovery import Recovery
from nexus_scheduler.routes.api import latest_family, v1_family
from nexus_scheduler.routes.data import DataRoutes
from nexus_scheduler.routes.explain import ExplainRoute
from nexus_scheduler.routes.handlers import Handlers
from nexus_scheduler.routes.internal import InternalRoutes
from nexus_scheduler.routes.logs import LogRoutes
from nexus_scheduler.routes.run_bodies import RunBodies
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

    On leaving: not ready for `unready_grace`, then no new requests; requests and launches under way
    end or are cut off after `drain_timeout`; the lease is released. What is queued stays in the
    store.
    """
    lease = LeaseKeeper(
        parts.leases,
        settings.host_name,
        settings.callback_url or url_of(bound),
        timedelta(seconds=settings.lease_duration),
        parts.clock,
    )
    scheduler = _Scheduler(parts, settings, lease)
    started_at = parts.clock.now()
    async with AsyncExitStack() as stack:
        await lease.renew()
        stack.push_async_callback(lease.release)
        tasks = await stack.enter_async_context(BackgroundTasks(tasks_above))
        stack.push_async_callback(scheduler.queue.drain, settings.drain_timeout)
        scheduler.start(tasks)
        tasks.start("lease", lease.keep())
        recovery = Recovery(scheduler.parts, scheduler.queue, settings.host_name)
        tasks.start("recovery", recovery.recover(started_at), may_finish=True)
        await stack.enter_async_context(listening(scheduler.app(), bound, settings.drain_timeout))
        stack.callback(scheduler.waiters.close)
        stack.callback(scheduler.logs.close)
        stack.push_async_callback(scheduler.health.stop, parts.clock, settings.unready_grace)
        log.info(
            "scheduler listens", version=__version__, url=url_of(bound), owner=settings.host_name
        )
        await scheduler.health.readiness()  # for its lines in the log, should nobody ever ask
        yield tasks


class _Scheduler:
    """The objects of a scheduler, wired to each other; nothing runs yet."""

    def __init__(
        self, parts: SchedulerParts, settings: SchedulerSettings, lease: LeaseKeeper
    ) -> None:
        self._settings = settings
        self._lease = lease
        self._registry = make_registry()
        self._clocks = inspect_clocks(parts.timekeepers, parts.clock, self._registry)
        pace = settings.circuit.pace()
        self._clusters = guard_clusters(parts.clusters, parts.clock, pace)
        self._intake = Intake(parts, pace)
        self.parts = replace(parts, clusters=self._clusters)
        self.waiters = Waiters()
        self.health = self._watch()
        self._settler = Settler(parts.store, self.waiters)
        self.queue = self._make_queue()
        self.logs = LogRoutes(
            RunLogs(self.parts), settings.logs, settings.body_timeout, parts.clock
        )

    def start(self, tasks: BackgroundTasks) -> None:
        """Start launching, and asking whether all that is needed is there."""
        for inspection in (*self.parts.inspections, *self._clocks):
            self.health.inspect(inspection, tasks)
        self._intake.start(tasks)
        for cluster in self._clusters.values():
            cluster.start(tasks)
        self.queue.start(tasks)
        owner, journal, clock = self._settings.host_name, self.parts.journal, self.parts.clock
        sampler = LaneSampler(self.queue.lanes, owner, journal, clock)
        tasks.start("lane samples", sampler.sample_for_ever())

    def _make_queue(self) -> LaunchQueue:
        parts, config = self.parts, self._settings.s3_buffer.buffer_config
        launcher = Launcher(
            parts.store,
            parts.payloads,
            parts.clusters,
            self._settler,
            parts.clock,
            parts.buffered_payloads,
            alone=self._lease.is_sure,
            # Sooner than its lease runs out, whatever the clock of who looks at that.
            stale_after=timedelta(seconds=self._settings.lease_duration / RENEWALS),
        )
        metrics = QueueMetrics(self._registry)
        lanes = {
            # Not without the store: a Job would be created that nobody could record.
            name: Lane(
                name,
                launcher,
                config,
                parts.clock,
                metrics,
                (cluster.circuit, self._intake.store),
            )
            for name, cluster in sorted(self._clusters.items())
        }
        for name, lane in lanes.items():
            metrics.watch_depth(name, lane.__len__)
            metrics.watch_oldest(name, lane.oldest_wait)
            metrics.watch_rate(name, lane.launch_rate)
        metrics.bound_by(config.queue_limit)
        return LaunchQueue(lanes, config.queue_limit)

    def app(self) -> web.Application:
        """Return what is served."""
        app = web.Application()
        families = self._families()
        metrics = HttpMetrics(self._registry)
        for family in families:
            add_family(app, family, metrics)
        families.append(add_probes(app, self.health, self._registry))
        add_documentation(app, "Nexus scheduler", families)
        return app

    def _families(self) -> list[Family]:
        settings = self._settings
        handlers, tokens = self._handlers(), frozenset(settings.api_tokens)
        explain = ExplainRoute(Explainer(self.parts))
        data = DataRoutes(self.parts, settings.max_payload_size, settings.body_timeout)
        families = [
            latest_family(handlers, explain, self.logs, tokens),
            v1_family(handlers, tokens),
            data.family(),
        ]
        if settings.callback.secret:
            families.append(InternalRoutes(self.waiters).family(settings.callback.secret))
        return families

    def _handlers(self) -> Handlers:
        parts, settings = self.parts, self._settings
        metrics = RunMetrics(self._registry)
        bodies = RunBodies(
            settings.max_payload_size, settings.body_timeout, settings.payload_memory
        )
        metrics.watch_bodies(lambda: bodies.held)
        metrics.watch_waiting(self.waiters.__len__)
        metrics.watch_log_readers(self.logs.__len__)
        metrics.watch_catalogue(parts.catalogue.age)
        valid_for = timedelta(seconds=settings.s3_buffer.buffer_config.payload_valid_for)
        identity = Identity(
            owner=settings.host_name,
            scheduler_url=settings.scheduler_url.rstrip("/"),
            receiver_url=settings.receiver_url.rstrip("/"),
            url_valid_for=valid_for,
        )
        return Handlers(
            Submitter(parts, self.queue, metrics, identity, self._intake),
            Canceller(parts, self.queue, self._settler),
            Lookup(parts, self.waiters, self._client_urls(valid_for)),
            parts.index,
            bodies,
            settings.body_timeout,
        )

    def _client_urls(self, valid_for: timedelta) -> ClientUrls:
        settings = self._settings
        public = self.parts.urls.at(settings.public_url) if settings.public_url else None
        return ClientUrls(self.parts.clock, valid_for, settings.scheduler_url, public)

    def _watch(self) -> Health:
        """Require what accepting takes; a cluster that is away keeps its queue waiting, no more."""
        health, metrics = Health(), CircuitMetrics(self._registry)
        for circuit in self._intake.circuits:
            health.show(circuit, required=True)
        health.watch("catalogue", self.parts.catalogue.ping)
        of_clusters = [cluster.circuit for cluster in self._clusters.values()]
        for circuit in of_clusters:
            health.show(circuit)
        for circuit in (*self._intake.circuits, *of_clusters):
            metrics.watch(circuit)
        return health
