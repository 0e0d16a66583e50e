"""The clusters that a service reaches."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from nexus_core.adapters.process.cluster import ProcessCluster
from nexus_core.adapters.process.settings import ProcessClusterSettings
from nexus_core.ports.clock import Clock
from nexus_core.ports.cluster import Cluster
from nexus_core.settings.loader import SettingsError
from nexus_core.settings.sections import ServiceSettings


@asynccontextmanager
async def open_clusters(
    settings: ServiceSettings, clock: Clock
) -> AsyncIterator[Mapping[str, Cluster]]:
    """Open the clusters that the settings name, by the name that workgroups give them.

    Raises:
        SettingsError: a setting names what there is not.
        UnavailableError: a cluster can't be opened.
    """
    for path, name in (
        (settings.kube_config_path, "kube-config-path"),
        (settings.shard_kube_config_path, "shard-kube-config-path"),
    ):
        if path:
            raise SettingsError(
                f"{name}: this release has no adapter for Kubernetes; it runs Jobs as processes"
            )
    section = settings.process_cluster
    async with ProcessCluster.open(
        settings.cluster_folder,
        name=section.name,
        directory=settings.working_directory,
        clock=clock,
        settings=ProcessClusterSettings(max_pods=section.max_pods),
    ) as cluster:
        yield {section.name: cluster}
