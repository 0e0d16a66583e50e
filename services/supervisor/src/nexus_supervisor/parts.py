"""What a supervisor works with: ports, filled by a composition root."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from nexus_core.aio.inspection import Inspection
from nexus_core.ports.checkpoint_store import CheckpointStore
from nexus_core.ports.clock import Clock
from nexus_core.ports.cluster import Cluster
from nexus_core.ports.journal import Journal
from nexus_core.ports.leader_election import LeaderElection
from nexus_core.ports.lease_store import LeaseStore
from nexus_core.ports.payload_store import PayloadStore
from nexus_core.ports.retention import Retention
from nexus_core.ports.run_index import RunIndex
from nexus_core.ports.scheduler_callback import SchedulerCallback
from nexus_core.ports.stored_content import StoredContent
from nexus_core.ports.timekeeper import Timekeeper
from nexus_core.telemetry.registry import make_registry


@dataclass(frozen=True, kw_only=True)
class SupervisorParts:
    """Open adapters; whoever opened them closes them after the supervisor."""

    store: CheckpointStore
    index: RunIndex
    leases: LeaseStore
    election: LeaderElection
    candidate: str
    """What this supervisor calls itself in an election; no other that lives does."""
    journal: Journal
    retention: Retention
    payloads: PayloadStore | None
    """Renews the URLs of runs that waited long; None where only schedulers reach it."""
    buffered_payloads: PayloadStore | None = None
    """Likewise, of payloads serialized to the `backend`; None where they are in `payloads`."""
    stored_content: StoredContent | None = None
    """What the payload store has; None where it can't tell at little cost."""
    clusters: Mapping[str, Cluster]
    """Those that this supervisor looks after."""
    callback: SchedulerCallback
    clock: Clock
    timekeepers: Mapping[str, Timekeeper] = field(default_factory=dict)
    """Parts whose clocks are compared with this machine's."""
    inspections: Sequence[Inspection] = ()
    """What else probes tell of, though the service does its work."""
    registry: CollectorRegistry = field(default_factory=make_registry)
    """Where the metrics of the service are, and those of its parts."""
