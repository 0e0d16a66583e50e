"""Runs in a queue, and a launcher that only remembers them."""

import asyncio
import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

import msgspec
from prometheus_client import CollectorRegistry

from nexus_core.aio.circuit import Circuit
from nexus_core.domain.names import RunKey
from nexus_core.operations.launch import BufferedRun, Launched, Launcher
from nexus_core.ports.clock import Clock
from nexus_core.settings.payloads import BufferConfig
from nexus_scheduler.metrics import QueueMetrics
from nexus_scheduler.queue import Lane, LaunchQueue
from support.runs import LONG_AGO


def a_buffered_run(**changes: Any) -> BufferedRun:
    run = BufferedRun(
        key=RunKey("hello-world", str(uuid.uuid4())),
        cluster="standalone",
        manifest=b"{}",
        payload_url="",
        made_at=LONG_AGO,
        valid_for=timedelta(days=1),
        parent=None,
    )
    return msgspec.structs.replace(run, **changes)


class RecordingLauncher:
    """Takes every run, unless the test has it refuse or wait."""

    def __init__(self) -> None:
        self.begun: list[BufferedRun] = []
        """All attempts."""
        self.launched: list[BufferedRun] = []
        """Those that succeeded."""
        self.errors: dict[str, Exception] = {}
        """By cluster: raised instead of launching."""
        self.open_gate = asyncio.Event()
        """Launches wait while it is cleared."""
        self.open_gate.set()

    async def launch(self, run: BufferedRun) -> Launched:
        self.begun.append(run)
        if error := self.errors.get(run.cluster):
            raise error
        await self.open_gate.wait()
        self.launched.append(run)
        return Launched.RUNNING


def a_queue(
    launcher: RecordingLauncher,
    clock: Clock,
    *clusters: str,
    registry: CollectorRegistry | None = None,
    circuits: Sequence[Circuit] = (),
    **config: Any,
) -> LaunchQueue:
    """Make a queue with a lane a cluster, which nobody has started yet.

    The limit is `queue_limit` of `config`.
    """
    settings = BufferConfig(**config)
    metrics = QueueMetrics(registry or CollectorRegistry())
    lanes = {
        name: Lane(name, cast("Launcher", launcher), settings, clock, metrics, circuits)
        for name in clusters or ("standalone",)
    }
    return LaunchQueue(lanes, settings.queue_limit)
