"""What a scheduler works with: ports, filled by a composition root."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from nexus_core.aio.inspection import Inspection
from nexus_core.domain.data_urls import SignedUrls
from nexus_core.ports.catalogue import Catalogue
from nexus_core.ports.checkpoint_store import CheckpointStore
from nexus_core.ports.clock import Clock
from nexus_core.ports.cluster import Cluster
from nexus_core.ports.journal import Journal
from nexus_core.ports.lease_store import LeaseStore
from nexus_core.ports.payload_store import PayloadStore
from nexus_core.ports.run_index import RunIndex
from nexus_core.ports.timekeeper import Timekeeper


@dataclass(frozen=True, kw_only=True)
class SchedulerParts:
    """Open adapters; whoever opened them closes them after the scheduler."""

    store: CheckpointStore
    index: RunIndex
    leases: LeaseStore
    journal: Journal
    payloads: PayloadStore
    buffered_payloads: PayloadStore | None = None
    """Those serialized to the `backend`; None where they go to `payloads`, too."""
    catalogue: Catalogue
    clusters: Mapping[str, Cluster]
    """By the name that workgroups give them."""
    urls: SignedUrls
    clock: Clock
    timekeepers: Mapping[str, Timekeeper] = field(default_factory=dict)
    """Parts whose clocks are compared with this machine's."""
    inspections: Sequence[Inspection] = ()
    """What else probes tell of, though the service does its work."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who this scheduler is, and where Jobs find it and the receiver."""

    owner: str
    scheduler_url: str
    receiver_url: str
    url_valid_for: timedelta
    """Of payload URLs, where neither request nor template says."""
