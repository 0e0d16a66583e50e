"""A service that kills itself at a fail point; run as a process of its own.

The environment says which service, at which of `support.fail_points`, and at which visit to it.
"""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import nexus_receiver.composition
import nexus_scheduler.composition
import nexus_supervisor.composition
from nexus_core.aio.clock import SystemClock
from nexus_core.aio.tasks import BackgroundTasks
from nexus_core.settings.sections import ServiceSettings
from nexus_core.web.process import OpenService, run_process
from nexus_receiver.settings import ReceiverSettings
from nexus_scheduler.settings import SchedulerSettings
from nexus_standalone.composition import open_services
from nexus_standalone.foundation import Foundation, open_foundation
from nexus_standalone.settings import StandaloneSettings
from nexus_supervisor.settings import SupervisorSettings
from support.caller import REPOSITORY
from support.fail_points import POINTS, Doom

MODULE = "support.doomed_service"

SERVICE_VARIABLE = "FAIL_SERVICE"
POINT_VARIABLE = "FAIL_POINT"
VISIT_VARIABLE = "FAIL_AT_VISIT"
"""Which visit to the point is the last thing that happens; counted from 1."""


def doom(service: str, point: str, visit: int = 1) -> dict[str, str]:
    """Return what to add to the environment of a service that is to die at a point."""
    assert point in POINTS, point
    return {
        SERVICE_VARIABLE: service,
        POINT_VARIABLE: point,
        VISIT_VARIABLE: str(visit),
        "PYTHONPATH": str(REPOSITORY / "tests"),
    }


def _doom_of_this_process() -> Doom:
    return Doom(POINTS[os.environ[POINT_VARIABLE]], int(os.environ[VISIT_VARIABLE]))


def _doomed(root: Any) -> OpenService[Any]:
    """Return what opens the service of a composition root, one part of which is fatal."""

    @asynccontextmanager
    async def open_doomed(settings: Any) -> AsyncIterator[BackgroundTasks]:
        async with root.open_foundation(settings, SystemClock()) as foundation:
            parts = _doom_of_this_process().befalls(foundation.parts)
            async with root.open_service(replace(foundation, parts=parts)) as tasks:
                yield tasks

    return open_doomed


@asynccontextmanager
async def _open_standalone(settings: StandaloneSettings) -> AsyncIterator[BackgroundTasks]:
    async with (
        open_foundation(settings, SystemClock()) as foundation,
        open_services(_with_fatal_part(foundation)) as tasks,
    ):
        yield tasks


def _with_fatal_part(foundation: Foundation) -> Foundation:
    fate = _doom_of_this_process()
    if POINTS[os.environ[POINT_VARIABLE]].port == "clusters":
        return fate.befalls(foundation)
    return replace(foundation, stores=fate.befalls(foundation.stores))


_SERVICES: dict[str, tuple[type[ServiceSettings], OpenService[Any]]] = {
    "scheduler": (SchedulerSettings, _doomed(nexus_scheduler.composition)),
    "receiver": (ReceiverSettings, _doomed(nexus_receiver.composition)),
    "supervisor": (SupervisorSettings, _doomed(nexus_supervisor.composition)),
    "standalone": (StandaloneSettings, _open_standalone),
}


if __name__ == "__main__":
    service = os.environ[SERVICE_VARIABLE]
    sys.exit(run_process(f"nexus-{service}", *_SERVICES[service]))
