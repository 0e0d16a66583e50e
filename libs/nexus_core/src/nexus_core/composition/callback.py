"""The way in which receivers and supervisors tell schedulers of finished runs."""

from contextlib import AbstractAsyncContextManager, nullcontext

import structlog
from prometheus_client import CollectorRegistry

from nexus_core.adapters.http.scheduler_callback import HttpSchedulerCallback
from nexus_core.adapters.mute.scheduler_callback import MuteSchedulerCallback
from nexus_core.aio.tasks import BackgroundTasks
from nexus_core.ports.clock import Clock
from nexus_core.ports.lease_store import LeaseStore
from nexus_core.ports.scheduler_callback import SchedulerCallback
from nexus_core.settings.sections import ServiceSettings
from nexus_core.telemetry.callback_metrics import CallbackMetrics

log = structlog.get_logger()


def open_callback(
    settings: ServiceSettings,
    leases: LeaseStore,
    clock: Clock,
    registry: CollectorRegistry,
    tasks_above: BackgroundTasks | None = None,
) -> AbstractAsyncContextManager[SchedulerCallback]:
    """Open the call back to all schedulers that hold a lease; without a secret, to none.

    Its metrics go into the registry of the service that calls.
    """
    if not settings.callback.secret:
        log.warning(
            "call backs are off, who waits for a result asks the store",
            set="callback.secret (NEXUS__CALLBACK__SECRET), the same for all services",
        )
        return nullcontext(MuteSchedulerCallback())
    return HttpSchedulerCallback.open(
        leases, clock, settings.callback, CallbackMetrics(registry), tasks_above
    )
