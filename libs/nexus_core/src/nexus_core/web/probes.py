"""Liveness, readiness and metrics."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial

import msgspec
import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from nexus_core import __version__
from nexus_core.aio.circuit import Circuit
from nexus_core.aio.inspection import Inspection
from nexus_core.aio.tasks import BackgroundTasks
from nexus_core.domain.errors import NexusError
from nexus_core.ports.clock import Clock
from nexus_core.telemetry.part_metrics import PartMetrics
from nexus_core.telemetry.parts import say_how_it_is
from nexus_core.web.bodies import json_response
from nexus_core.web.endpoints import Answer, Endpoint, Family, Handler
from nexus_core.web.errors import as_text

log = structlog.get_logger()

Check = Callable[[], Awaitable[None]]
"""Returns when a part answers; raises with the reason when it does not."""

# Kubernetes gives a probe one second unless told otherwise; the answer must be out before.
_CHECK_SECONDS = 0.8


class PartState(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whether one part of a service can be used."""

    ready: bool
    required: bool = True
    """False: the service does its work without it, and only tells of it."""
    reason: str = ""
    since: datetime | None = None
    """When it was found to be away, where that is remembered."""
    next_try: datetime | None = None
    """When it is asked again, where nobody asks it before."""


class Readiness(msgspec.Struct, frozen=True):
    """Whether a service can do its work, and each part of it by name.

    It can when all parts are ready that it requires.
    """

    ready: bool
    version: str
    """The release that runs."""
    parts: dict[str, PartState]


class Health:
    """What a service's probes tell; the parts are registered where they are opened."""

    def __init__(self) -> None:
        self._looks: dict[str, Callable[[], Awaitable[PartState]]] = {}
        self._told: dict[str, PartState] = {}
        self._stopping = False

    def watch(self, part: str, check: Check, *, required: bool = True) -> None:
        """Ask a part, and let readiness depend on it where it is required."""
        self._looks[part] = partial(_asked, check, required=required)
        self._told[part] = PartState(ready=True, required=required)

    def show(self, circuit: Circuit, *, required: bool = False) -> None:
        """Tell what a circuit knows of its part, which nobody asks for that; it has its own lines.

        A part that is called through a circuit is of use when that is closed, and not when it would
        answer a probe: so its answer here would promise what the service does not do yet.
        """
        self._looks[circuit.part] = partial(_known, circuit, required=required)

    def inspect(self, inspection: Inspection, tasks: BackgroundTasks) -> None:
        """Start an inspection, and tell what it found last; it has lines of its own in the log.

        The service is ready all the same.
        """
        inspection.start(tasks)
        self._looks[inspection.part] = partial(_asked, inspection.check, required=False)

    async def stop(self, clock: Clock, grace: float) -> None:
        """Say not ready, and give who sends work here `grace` seconds to hear of it."""
        self._stopping = True
        await clock.sleep(grace)

    async def readiness(self) -> Readiness:
        """Look at all parts at once; log what has changed of those that are asked."""
        states = await asyncio.gather(*(look() for look in self._looks.values()))
        parts = dict(zip(self._looks, states, strict=True))
        for part in self._told:
            self._tell(part, parts[part])
        if self._stopping:
            parts["service"] = PartState(ready=False, reason="is shutting down")
        ready = all(part.ready or not part.required for part in parts.values())
        return Readiness(ready, __version__, parts)

    def _tell(self, part: str, state: PartState) -> None:
        if state == self._told[part]:
            return
        self._told[part] = state
        say_how_it_is(part, state.reason)


async def _known(circuit: Circuit, *, required: bool) -> PartState:
    # Only at the start there is anything to wait for.
    if reason := await _trouble(circuit.known):
        return PartState(ready=False, required=required, reason=reason)
    condition = circuit.condition
    return PartState(
        ready=circuit.is_closed,
        required=required,
        reason=condition.reason,
        since=condition.since,
        next_try=condition.next_try,
    )


async def _asked(check: Check, *, required: bool) -> PartState:
    reason = await _trouble(check)
    return PartState(ready=not reason, required=required, reason=reason)


async def _trouble(check: Check) -> str:
    """Return why a part can't be used, empty when it can."""
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            await check()
    except TimeoutError:
        return f"did not answer within {_CHECK_SECONDS} s"
    except NexusError as error:
        return str(error) or type(error).__name__
    except Exception as error:
        # A fault in an adapter: it hides neither the other parts nor its own name.
        log.exception("check failed")
        return f"its check failed: {type(error).__name__}"
    return ""


def add_probes(app: web.Application, health: Health, registry: CollectorRegistry) -> Family:
    """Serve `/livez`, `/readyz` and `/metrics`; return them, for the service's document."""
    parts = PartMetrics(registry)

    async def livez(_: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def readyz(_: web.Request) -> web.Response:
        readiness = await health.readiness()
        return json_response(readiness, 200 if readiness.ready else 503)

    async def metrics(_: web.Request) -> web.Response:
        # Looked at for the scrape, so that it is of now, whoever else asks.
        for name, part in (await health.readiness()).parts.items():
            parts.found(name, ready=part.ready, required=part.required)
        return web.Response(
            body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    family = _operations(livez, readyz, metrics)
    # Not by `add_family`: probes and scrapes would drown what the metrics say of clients.
    for endpoint in family.endpoints:
        app.router.add_get(endpoint.path, endpoint.handler)
    return family


def _operations(livez: Handler, readyz: Handler, metrics: Handler) -> Family:
    return Family(
        title="operations",
        description="For those who run the service.",
        prefixes=("",),
        render_error=as_text,
        statuses={},
        endpoints=(
            Endpoint(
                method="GET",
                path="/livez",
                handler=livez,
                summary="Ask whether the process lives",
                answers={200: Answer("It does", None, "text/plain", "ok")},
            ),
            Endpoint(
                method="GET",
                path="/readyz",
                handler=readyz,
                summary="Ask whether the service can do its work",
                description="Each part that it needs is named in the answer. Those that it does "
                "without for a while have `required: false`.",
                answers={
                    200: Answer("It can", Readiness),
                    503: Answer("It can't now; the parts say why", Readiness),
                },
            ),
            Endpoint(
                method="GET",
                path="/metrics",
                handler=metrics,
                summary="Read the metrics",
                description="Each part is looked at, as by `/readyz`.",
                answers={200: Answer("In the text format of Prometheus", None, "text/plain")},
            ),
        ),
    )
