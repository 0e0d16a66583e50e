"""A service whose clock is wrong by as many seconds as a file says; run as a process of its own.

The environment says which service, and which file.
"""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import nexus_receiver.composition
import nexus_scheduler.composition
import nexus_supervisor.composition
from nexus_core.aio.clock import SystemClock
from nexus_core.aio.tasks import BackgroundTasks
from nexus_core.web.process import OpenService, run_process
from nexus_receiver.settings import ReceiverSettings
from nexus_scheduler.settings import SchedulerSettings
from nexus_supervisor.settings import SupervisorSettings
from support.caller import REPOSITORY

MODULE = "support.misled_service"

_SERVICE = "MISLED_SERVICE"
_FILE = "MISLED_BY"


def misled(service: str, file: Path) -> dict[str, str]:
    """Return what to add to the environment of a service."""
    path = os.pathsep.join((str(REPOSITORY / "tests"), str(REPOSITORY)))
    return {_SERVICE: service, _FILE: str(file), "PYTHONPATH": path}


class WrongClock(SystemClock):
    """The real clock, but for the wall clock's time, which is as far ahead as a file says."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def now(self) -> datetime:
        """Return the wall clock's time in UTC."""
        return super().now() + timedelta(seconds=float(self._file.read_text() or 0))


def _misled(root: Any) -> OpenService[Any]:
    """Return what opens the service of a composition root by such a clock."""

    @asynccontextmanager
    async def open_misled(settings: Any) -> AsyncIterator[BackgroundTasks]:
        clock = WrongClock(Path(os.environ[_FILE]))
        async with (
            root.open_foundation(settings, clock) as foundation,
            root.open_service(foundation) as tasks,
        ):
            yield tasks

    return open_misled


_SERVICES = {
    "scheduler": (SchedulerSettings, _misled(nexus_scheduler.composition)),
    "receiver": (ReceiverSettings, _misled(nexus_receiver.composition)),
    "supervisor": (SupervisorSettings, _misled(nexus_supervisor.composition)),
}


if __name__ == "__main__":
    service = os.environ[_SERVICE]
    settings, open_service = _SERVICES[service]
    sys.exit(run_process(f"nexus-{service}", settings, open_service))
