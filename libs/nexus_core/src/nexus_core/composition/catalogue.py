"""The templates and workgroups that a scheduler knows."""

from collections.abc import AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

from nexus_core.adapters.folder.catalogue import FolderCatalogue
from nexus_core.adapters.kubernetes.catalogue import KubernetesCatalogue
from nexus_core.composition.kubernetes import open_connection, own_cluster, pace_of
from nexus_core.domain.errors import InvalidInputError
from nexus_core.ports.catalogue import Catalogue
from nexus_core.ports.clock import Clock
from nexus_core.settings.loader import SettingsError
from nexus_core.settings.sections import ServiceSettings

_FILE = "kube-config-path (NEXUS__KUBE_CONFIG_PATH)"
_SOURCE = "catalogue.source (NEXUS__CATALOGUE__SOURCE)"


def open_catalogue(
    settings: ServiceSettings, clusters: Collection[str], clock: Clock
) -> AbstractAsyncContextManager[Catalogue]:
    """Open what the settings name, and follow its changes.

    An API server that can't be reached, or has no such resources, is opened all the same: readiness
    tells of it.

    Args:
        settings: of the service.
        clusters: those that the scheduler reaches, by name: conditions speak of them.
        clock: for pauses.

    Raises:
        InvalidInputError: a folder does not exist.
        SettingsError: what leads to Kubernetes is not sound; names the setting.
    """
    if settings.reads_custom_resources:
        return _open_resources(settings, clusters, clock)
    paths = [Path(path).absolute() for path in settings.catalogue.paths]
    return FolderCatalogue.open(paths, clock)


@asynccontextmanager
async def _open_resources(
    settings: ServiceSettings, clusters: Collection[str], clock: Clock
) -> AsyncIterator[Catalogue]:
    async with AsyncExitStack() as stack:
        try:
            connection = await stack.enter_async_context(
                open_connection(settings, own_cluster(settings), clock)
            )
        except InvalidInputError as error:
            setting = _FILE if settings.kube_config_path else _SOURCE
            raise SettingsError(f"{setting}: {error}") from error
        yield await stack.enter_async_context(
            KubernetesCatalogue.open(
                connection, settings.deploy_namespace, clusters, clock, pace_of(settings)
            )
        )
