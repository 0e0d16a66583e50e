"""The templates and workgroups that a scheduler knows."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from nexus_core.adapters.folder.catalogue import FolderCatalogue
from nexus_core.ports.catalogue import Catalogue
from nexus_core.ports.clock import Clock
from nexus_core.settings.sections import ServiceSettings


def open_catalogue(
    settings: ServiceSettings, clock: Clock
) -> AbstractAsyncContextManager[Catalogue]:
    """Open the folders that the settings name, and follow their changes.

    Raises:
        InvalidInputError: a folder does not exist.
    """
    paths = [Path(path).absolute() for path in settings.catalogue.paths]
    return FolderCatalogue.open(paths, clock)
