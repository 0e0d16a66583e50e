"""What is told of a service though it does its work: clocks that differ, missing rights."""

from collections.abc import Iterator, Mapping
from functools import partial

from nexus_core.adapters.kubernetes.catalogue import KubernetesCatalogue
from nexus_core.adapters.kubernetes.cluster import KubernetesCluster
from nexus_core.adapters.kubernetes.rights import FOLLOWING, LAUNCHING
from nexus_core.aio.inspection import Inspection
from nexus_core.ports.catalogue import Catalogue
from nexus_core.ports.checkpoint_store import CheckpointStore
from nexus_core.ports.clock import Clock
from nexus_core.ports.cluster import Cluster
from nexus_core.ports.payload_store import PayloadStore
from nexus_core.ports.timekeeper import Timekeeper


def timekeepers_of(
    store: CheckpointStore,
    payloads: PayloadStore | None,
    clusters: Mapping[str, Cluster] | None = None,
) -> dict[str, Timekeeper]:
    """Return those parts that are on other machines, by the names that probes give them."""
    parts: dict[str, object] = {
        "checkpoint-store": store,
        "payload-store": payloads,
        **{f"cluster {name}": cluster for name, cluster in (clusters or {}).items()},
    }
    return {part: keeper for part, keeper in parts.items() if isinstance(keeper, Timekeeper)}


def rights_of_a_scheduler(
    clusters: Mapping[str, Cluster], catalogue: Catalogue, clock: Clock
) -> list[Inspection]:
    """Return what looks at the rights that a scheduler needs; each is to be started."""
    inspections = [
        Inspection(f"rights in cluster {name}", partial(cluster.what_lacks, LAUNCHING), clock)
        for name, cluster in _of_kubernetes(clusters)
    ]
    if isinstance(catalogue, KubernetesCatalogue):
        inspections.append(Inspection("rights to the catalogue", catalogue.what_lacks, clock))
    return inspections


def rights_of_a_supervisor(clusters: Mapping[str, Cluster], clock: Clock) -> list[Inspection]:
    """Return what looks at the rights that a supervisor needs; each is to be started."""
    return [
        Inspection(f"rights in cluster {name}", partial(cluster.what_lacks, FOLLOWING), clock)
        for name, cluster in _of_kubernetes(clusters)
    ]


def _of_kubernetes(clusters: Mapping[str, Cluster]) -> Iterator[tuple[str, KubernetesCluster]]:
    for name, cluster in clusters.items():
        if isinstance(cluster, KubernetesCluster):
            yield name, cluster
