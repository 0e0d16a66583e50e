"""What a receiver works with: ports, filled by a composition root."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from nexus_core.ports.checkpoint_store import CheckpointStore
from nexus_core.ports.clock import Clock
from nexus_core.ports.payload_store import PayloadStore
from nexus_core.ports.scheduler_callback import SchedulerCallback
from nexus_core.ports.timekeeper import Timekeeper
from nexus_core.telemetry.registry import make_registry


@dataclass(frozen=True, kw_only=True)
class ReceiverParts:
    """Open adapters; whoever opened them closes them after the receiver."""

    store: CheckpointStore
    payloads: PayloadStore | None
    """Where algorithms upload results; None where they all keep results themselves."""
    callback: SchedulerCallback
    clock: Clock
    timekeepers: Mapping[str, Timekeeper] = field(default_factory=dict)
    """Parts whose clocks are compared with this machine's."""
    registry: CollectorRegistry = field(default_factory=make_registry)
    """Where the metrics of the service are, and those of its parts."""
