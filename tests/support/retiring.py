"""Removal on its own, so that a test knows when a round has ended."""

from typing import Any

from prometheus_client import CollectorRegistry

from nexus_supervisor.metrics import RemovalMetrics
from nexus_supervisor.orphans import OrphanSearch
from nexus_supervisor.parts import SupervisorParts
from nexus_supervisor.removals import Removals
from nexus_supervisor.retire import Retirer
from nexus_supervisor.rounds import RetentionRounds
from nexus_supervisor.settings import Retention
from support.services import World
from support.sweeping import Told


def parts_of(world: World, **changes: Any) -> SupervisorParts:
    stores = world.stores
    own: dict[str, Any] = {
        "store": stores.store,
        "index": stores.index,
        "leases": stores.leases,
        "journal": stores.journal,
        "retention": stores.retention,
        "election": stores.election,
        "candidate": "the remover",
        "payloads": stores.payloads,
        "stored_content": stores.stored_content,
        "clusters": {world.cluster.name: world.cluster},
        "callback": Told(),
        "clock": world.clock,
    }
    return SupervisorParts(**{**own, **changes})


def a_retirer(world: World, settings: Retention | None = None, **changes: Any) -> Retirer:
    """Return what removes; the changes are those of its parts."""
    parts, settings = parts_of(world, **changes), settings or Retention()
    removals = Removals(parts, settings.parallel)
    return Retirer(parts, removals, settings, RemovalMetrics(CollectorRegistry()))


def a_search(world: World, settings: Retention | None = None) -> OrphanSearch:
    parts, settings = parts_of(world), settings or Retention()
    assert parts.stored_content is not None
    removals = Removals(parts, settings.parallel)
    metrics = RemovalMetrics(CollectorRegistry())
    return OrphanSearch(parts, parts.stored_content, removals, settings, metrics)


def the_rounds(world: World, **changes: Any) -> RetentionRounds:
    """Return what decides when removal is done; the changes are those of its parts."""
    parts, settings = parts_of(world, **changes), Retention()
    metrics = RemovalMetrics(CollectorRegistry())
    retirer = Retirer(parts, Removals(parts, settings.parallel), settings, metrics)
    return RetentionRounds(parts, retirer, None, settings, parts.candidate, metrics)
