"""Every adapter of the port, each with a way to publish resources to it."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest

from nexus_core.adapters.folder.catalogue import FolderCatalogue
from nexus_core.adapters.kubernetes.catalogue import KubernetesCatalogue
from nexus_core.aio.clock import SystemClock
from nexus_core.ports.catalogue import Catalogue
from support.clock import ManualClock
from support.custom_resources import Kubectl, Resources, connected_by, own_namespace
from support.manifests import write_manifests


class Shelf(Protocol):
    """Where people put the resources that a catalogue knows."""

    async def publish(self, manifest: dict[str, Any]) -> None: ...

    async def withdraw(self, manifest: dict[str, Any]) -> None: ...

    def open(self) -> AbstractAsyncContextManager[Catalogue]: ...


class FolderShelf:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    async def publish(self, manifest: dict[str, Any]) -> None:
        write_manifests(self._file(manifest), manifest)

    async def withdraw(self, manifest: dict[str, Any]) -> None:
        self._file(manifest).unlink()

    def open(self) -> AbstractAsyncContextManager[Catalogue]:
        return FolderCatalogue.open([self.folder], ManualClock())

    def _file(self, manifest: dict[str, Any]) -> Path:
        return self.folder / f"{manifest['kind']}-{manifest['metadata']['name']}.yaml"


class KubernetesShelf:
    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    async def publish(self, manifest: dict[str, Any]) -> None:
        await self._resources.apply(manifest)

    async def withdraw(self, manifest: dict[str, Any]) -> None:
        await self._resources.delete(manifest)

    def open(self) -> AbstractAsyncContextManager[Catalogue]:
        return KubernetesCatalogue.open(
            self._resources.connection, self._resources.namespace, ["standalone"], SystemClock()
        )


ADAPTERS = ["folder", pytest.param("kubernetes", marks=pytest.mark.integration)]


@pytest.fixture(params=ADAPTERS)
async def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Shelf]:
    if request.param == "folder":
        yield FolderShelf(tmp_path / "manifests")
        return
    server = request.getfixturevalue("kubernetes_server")
    async with AsyncExitStack() as stack:
        await Kubectl.of(server).install_definitions()
        connection = await stack.enter_async_context(connected_by(server.kubeconfig))
        yield KubernetesShelf(await stack.enter_async_context(own_namespace(connection)))


@pytest.fixture
async def catalogue(shelf: Shelf) -> AsyncIterator[Catalogue]:
    async with shelf.open() as opened:
        yield opened
