"""Every adapter of the port, each with a way to publish resources to it."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol

import pytest

from nexus_core.adapters.folder.catalogue import FolderCatalogue
from nexus_core.ports.catalogue import Catalogue
from support.clock import ManualClock
from support.manifests import write_manifests


class Shelf(Protocol):
    """Where people put the resources that a catalogue knows."""

    def publish(self, manifest: dict[str, Any]) -> None: ...

    def withdraw(self, manifest: dict[str, Any]) -> None: ...

    def open(self) -> AbstractAsyncContextManager[Catalogue]: ...


class FolderShelf:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def publish(self, manifest: dict[str, Any]) -> None:
        write_manifests(self._file(manifest), manifest)

    def withdraw(self, manifest: dict[str, Any]) -> None:
        self._file(manifest).unlink()

    def open(self) -> AbstractAsyncContextManager[Catalogue]:
        return FolderCatalogue.open([self.folder], ManualClock())

    def _file(self, manifest: dict[str, Any]) -> Path:
        return self.folder / f"{manifest['kind']}-{manifest['metadata']['name']}.yaml"


ADAPTERS = {"folder": lambda folder: FolderShelf(folder / "manifests")}


@pytest.fixture(params=ADAPTERS)
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Shelf:
    return ADAPTERS[request.param](tmp_path)


@pytest.fixture
async def catalogue(shelf: Shelf) -> AsyncIterator[Catalogue]:
    async with shelf.open() as opened:
        yield opened
