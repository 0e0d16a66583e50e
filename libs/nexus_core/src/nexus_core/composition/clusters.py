"""The clusters that a service reaches."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from nexus_core.adapters.kubernetes.cluster import KubernetesCluster
from nexus_core.adapters.kubernetes.credentials import Source
from nexus_core.adapters.kubernetes.kubeconfig import KubeconfigFile
from nexus_core.adapters.process.cluster import ProcessCluster
from nexus_core.adapters.process.settings import ProcessClusterSettings
from nexus_core.composition.kubernetes import open_connection, own_cluster, pace_of
from nexus_core.domain.errors import InvalidInputError
from nexus_core.domain.names import RESOURCE_NAME_RULE, is_resource_name
from nexus_core.ports.clock import Clock
from nexus_core.ports.cluster import Cluster
from nexus_core.settings.loader import SettingsError
from nexus_core.settings.sections import ServiceSettings

_SUFFIX = ".kubeconfig"
_FOLDER = "shard-kube-config-path (NEXUS__SHARD_KUBE_CONFIG_PATH)"
_FILE = "kube-config-path (NEXUS__KUBE_CONFIG_PATH)"
_NAME = "kubernetes.cluster-name (NEXUS__KUBERNETES__CLUSTER_NAME)"
_TYPE = "cluster-type (NEXUS__CLUSTER_TYPE)"
_DIRECTORY = "process-cluster.working-directory (NEXUS__PROCESS_CLUSTER__WORKING_DIRECTORY)"


@asynccontextmanager
async def open_clusters(
    settings: ServiceSettings, clock: Clock
) -> AsyncIterator[Mapping[str, Cluster]]:
    """Open the clusters that the settings name, by the name that workgroups give them.

    A cluster of Kubernetes that can't be reached is opened all the same: readiness tells of it.

    Raises:
        SettingsError: a setting names what there is not, or what is not sound.
        UnavailableError: the process cluster can't be opened.
    """
    if settings.uses_kubernetes:
        async with AsyncExitStack() as stack:
            yield await _open_kubernetes(settings, clock, stack)
        return
    if settings.shard_kube_config_path:
        raise SettingsError(f"{_FOLDER}: names clusters, but {_TYPE} says 'process'")
    section = settings.process_cluster
    if not settings.working_directory.is_dir():
        # No command could start there: each run would end as if its own template were wrong.
        raise SettingsError(f"{_DIRECTORY}: must be a folder; {settings.working_directory} is none")
    async with ProcessCluster.open(
        settings.cluster_folder,
        name=section.name,
        directory=settings.working_directory,
        clock=clock,
        settings=ProcessClusterSettings(max_pods=section.max_pods),
    ) as cluster:
        yield {section.name: cluster}


async def _open_kubernetes(
    settings: ServiceSettings, clock: Clock, stack: AsyncExitStack
) -> Mapping[str, Cluster]:
    # All at once: each may have to wait for a program that hands out credentials.
    opened = await asyncio.gather(
        *(
            _open_cluster(name, source, setting, settings, clock, stack)
            for name, (source, setting) in _sources(settings).items()
        ),
        return_exceptions=True,
    )
    clusters: dict[str, Cluster] = {}
    for cluster in opened:
        if isinstance(cluster, BaseException):
            raise cluster
        clusters[cluster.name] = cluster
    return clusters


async def _open_cluster(
    name: str,
    source: Source,
    setting: str,
    settings: ServiceSettings,
    clock: Clock,
    stack: AsyncExitStack,
) -> KubernetesCluster:
    try:
        connection = await stack.enter_async_context(open_connection(settings, source, clock))
    except InvalidInputError as error:
        raise SettingsError(f"{setting}: {error}") from error
    return KubernetesCluster(
        name,
        connection,
        clock,
        namespace=settings.runtime_namespace,
        pace=pace_of(settings),
    )


def _sources(settings: ServiceSettings) -> dict[str, tuple[Source, str]]:
    """Return how each cluster is reached, by its name, and which setting says so."""
    if settings.shard_kube_config_path:
        folder = Path(settings.shard_kube_config_path).absolute()
        return {name: (KubeconfigFile(file), _FOLDER) for name, file in _shards(folder).items()}
    name = settings.kubernetes.cluster_name
    if not name:
        raise SettingsError(
            f"{_NAME}: must say what workgroups call the cluster in which Jobs run, "
            f"since {_FOLDER} names no folder"
        )
    _check_name(_NAME, name)
    setting = _FILE if settings.kube_config_path else _TYPE
    return {name: (own_cluster(settings), setting)}


def _shards(folder: Path) -> dict[str, Path]:
    """Return the kubeconfig files of a folder, by the name of their cluster."""
    try:
        files = {
            file.name.removesuffix(_SUFFIX): file
            for file in sorted(folder.iterdir())
            if file.name.endswith(_SUFFIX)
        }
    except OSError as error:
        raise SettingsError(f"{_FOLDER}: {folder} can't be read: {error.strerror}") from error
    if not files:
        raise SettingsError(f"{_FOLDER}: {folder} holds no file <cluster name>{_SUFFIX}")
    for name, file in files.items():
        _check_name(f"{_FOLDER}: {file}", name)
    return files


def _check_name(where: str, name: str) -> None:
    if not is_resource_name(name):
        raise SettingsError(f"{where}: the name of a cluster {RESOURCE_NAME_RULE}")
