"""What the Jobs of a cluster share."""

import os
import sys
from pathlib import Path
from typing import NamedTuple

from nexus_core.adapters.process.alarms import Alarms
from nexus_core.adapters.process.executor import Executor
from nexus_core.adapters.process.feed import Feed
from nexus_core.adapters.process.folder import JobFolder
from nexus_core.adapters.process.memory import MemoryWatch
from nexus_core.adapters.process.places import Places
from nexus_core.adapters.process.settings import ProcessClusterSettings
from nexus_core.ports.clock import Clock


class Machine(NamedTuple):
    """What a Job needs to live."""

    clock: Clock
    settings: ProcessClusterSettings
    directory: Path
    """Where pods start."""
    environment: dict[str, str]
    """What every pod gets; a Job's own variables win."""
    folder: JobFolder
    executor: Executor
    alarms: Alarms
    places: Places
    memory: MemoryWatch
    feed: Feed


def make_machine(
    folder: JobFolder,
    executor: Executor,
    directory: Path,
    clock: Clock,
    settings: ProcessClusterSettings,
) -> Machine:
    """Put together what the Jobs of a cluster share."""
    return Machine(
        clock=clock,
        settings=settings,
        # The shim goes there, so what it is told must not depend on where we are.
        directory=directory.absolute(),
        environment=_pod_environment(),
        folder=folder,
        executor=executor,
        alarms=Alarms(clock),
        places=Places(settings.max_pods),
        memory=MemoryWatch(executor, settings.memory_sample),
        feed=Feed(settings.feed_backlog),
    )


def _pod_environment() -> dict[str, str]:
    """Return the little of our own environment that a program needs anywhere.

    Not all of it: it holds our secrets. `python3` is the Python that runs us, so that what is
    installed beside us is there for the Jobs as well.
    """
    own = os.environ
    return {
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), own.get("PATH", os.defpath))),
        "HOME": own.get("HOME", "/"),
        "LANG": own.get("LANG", "C.UTF-8"),
        "TMPDIR": own.get("TMPDIR", "/tmp"),  # noqa: S108 - the system's own default for it
    }
