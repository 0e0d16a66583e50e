"""The whole receiver on given parts: what is started, in which order, and how it stops."""

import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import structlog
from aiohttp import web

from nexus_core import __version__
from nexus_core.aio.tasks import BackgroundTasks
from nexus_core.operations.compare_clocks import inspect_clocks
from nexus_core.operations.settle import Settler
from nexus_core.telemetry.http_metrics import HttpMetrics
from nexus_core.web.documentation import add_documentation
from nexus_core.web.endpoints import add_family
from nexus_core.web.probes import Health, add_probes
from nexus_core.web.server import listening, url_of
from nexus_receiver.complete import Completer
from nexus_receiver.metrics import CompletionMetrics
from nexus_receiver.parts import ReceiverParts
from nexus_receiver.routes import ReceiverRoutes
from nexus_receiver.settings import ReceiverSettings

log = structlog.get_logger()


@asynccontextmanager
async def open_receiver(
    parts: ReceiverParts,
    settings: ReceiverSettings,
    bound: socket.socket,
    tasks_above: BackgroundTasks | None = None,
) -> AsyncIterator[None]:
    """Run a receiver while the block runs.

    On leaving: not ready, no new requests, requests under way end or are cut off after
    `drain_timeout`.
    """
    health = Health()
    health.watch("checkpoint-store", parts.store.ping)
    if parts.payloads is not None:
        # Most algorithms name their results: completions of those need the checkpoint store alone.
        health.watch("payload-store", parts.payloads.ping, required=False)
    app = _make_app(parts, settings, health)
    async with AsyncExitStack() as stack:
        tasks = await stack.enter_async_context(BackgroundTasks(tasks_above))
        for inspection in inspect_clocks(parts.timekeepers, parts.clock, parts.registry):
            health.inspect(inspection, tasks)
        await stack.enter_async_context(listening(app, bound, settings.drain_timeout))
        stack.push_async_callback(health.stop, parts.clock, settings.unready_grace)
        log.info("receiver listens", version=__version__, url=url_of(bound))
        await health.readiness()  # for its lines in the log, should nobody ever ask
        yield


def _make_app(parts: ReceiverParts, settings: ReceiverSettings, health: Health) -> web.Application:
    registry = parts.registry
    completer = Completer(parts, Settler(parts.store, parts.callback))
    routes = ReceiverRoutes(completer, CompletionMetrics(registry), settings.body_timeout)
    families = routes.families(frozenset(settings.api_tokens))
    app = web.Application()
    metrics = HttpMetrics(registry)
    for family in families:
        add_family(app, family, metrics)
    probes = add_probes(app, health, registry)
    add_documentation(app, "Nexus receiver", [*families, probes])
    return app
