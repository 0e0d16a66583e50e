"""The port `Catalogue` in folders of YAML manifests."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Self

import structlog
import watchfiles

from nexus_core.adapters.folder.known_resources import KnownResources, reconcile
from nexus_core.adapters.folder.manifests import ManifestProblem, read_folders
from nexus_core.aio.tasks import BackgroundTasks
from nexus_core.domain.errors import InvalidInputError, UnavailableError
from nexus_core.domain.template import TEMPLATE_KIND, WORKGROUP_KIND, Template, Workgroup
from nexus_core.ports.clock import Clock

log = structlog.get_logger()

# A thousand small files take about half a second; a folder that takes this long is ill.
_READ_SECONDS = 30.0
# Editors and `git checkout` change several files in a row. Read once they have been quiet for the
# first of these, but while they are not, every second.
_QUIET_MILLISECONDS = 100
_MAX_DELAY_MILLISECONDS = 1000
# Without changes, look this often whether the folders are still those that are watched.
_IDLE_MILLISECONDS = 5000
# A folder that can't be watched (removed, or the system's watches are used up) is read this often.
_UNWATCHED_SECONDS = 5.0


class FolderCatalogue:
    """Templates and workgroups from the YAML files in some folders and the folders below them.

    Files that change are read again by themselves. Of two resources with one name, that in the
    file whose path sorts first counts. What can't be used is logged, and told by `problems`.
    """

    def __init__(self, folders: Sequence[Path], clock: Clock) -> None:
        self._folders = folders
        self._clock = clock
        self._known = KnownResources()
        self._reading = asyncio.Lock()

    @classmethod
    @asynccontextmanager
    async def open(cls, folders: Sequence[Path], clock: Clock) -> AsyncIterator[Self]:
        """Read the folders, and follow their changes until left.

        Raises:
            InvalidInputError: a folder is not there, or no folder; names it.
        """
        for folder in folders:
            if not folder.is_dir():
                raise InvalidInputError(f"{folder}: must be a folder with manifests")
        catalogue = cls(folders, clock)
        async with BackgroundTasks() as tasks:
            tasks.start("folder-catalogue", catalogue._follow())
            # In its first step that task begins to watch, so what changes from here on is seen.
            await asyncio.sleep(0)
            await catalogue.reload()
            yield catalogue

    def template(self, name: str) -> Template | None:
        """Return a template; None when there is none of that name."""
        found = self._known.resource(TEMPLATE_KIND, name)
        return found if isinstance(found, Template) else None

    def workgroup(self, name: str) -> Workgroup | None:
        """Return a workgroup; None when there is none of that name."""
        found = self._known.resource(WORKGROUP_KIND, name)
        return found if isinstance(found, Workgroup) else None

    def templates(self) -> Sequence[Template]:
        """Return all templates, by name."""
        return self._known.templates()

    def age(self) -> float | None:
        """Return 0: files are not away."""
        return 0.0

    def problems(self) -> Sequence[ManifestProblem]:
        """Return what is wrong with the files as they are now, by file."""
        return self._known.problems

    async def ping(self) -> None:
        """Return unless there are manifests and none of them was ever sound."""
        if self._known.problems and not self._known.resources:
            raise UnavailableError(f"no manifest can be used: {self._known.problems[0]}")

    async def reload(self) -> None:
        """Read all files now, and keep the last sound version of what is not sound.

        Raises:
            UnavailableError: they take too long to read.
        """
        async with self._reading:
            try:
                async with asyncio.timeout(_READ_SECONDS):
                    files = await asyncio.to_thread(read_folders, self._folders)
            except TimeoutError as error:
                raise UnavailableError(f"no manifests in {_READ_SECONDS} s") from error
            before, self._known = self._known, reconcile(self._known, files)
            _tell(before, self._known)

    async def _follow(self) -> None:
        told = ""
        while True:
            try:
                await self._watch()
            except (OSError, RuntimeError, UnavailableError) as error:
                # The first two are the watcher's: no such folder, no watches left.
                if str(error) != told:
                    log.warning("manifests can't be watched", error=str(error))
                told = str(error)
            await self._clock.sleep(_UNWATCHED_SECONDS)
            with suppress(UnavailableError):
                await self.reload()

    async def _watch(self) -> None:
        """Read again after every change; return when a folder is another one than it was."""
        watched = _identities(self._folders)
        settled = False
        async for changes in watchfiles.awatch(
            *self._folders,
            debounce=_MAX_DELAY_MILLISECONDS,
            step=_QUIET_MILLISECONDS,
            rust_timeout=_IDLE_MILLISECONDS,
            yield_on_timeout=True,
        ):
            # Once without a change too: one may have been made just before the watch began.
            if changes or not settled:
                await self.reload()
                settled = True
            if _identities(self._folders) != watched:
                return


def _identities(folders: Sequence[Path]) -> list[tuple[int, int] | None]:
    """Tell folders apart from others that took their place, which the old watch does not see."""

    def identity(folder: Path) -> tuple[int, int] | None:
        try:
            status = folder.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino

    return [identity(folder) for folder in folders]


def _tell(before: KnownResources, now: KnownResources) -> None:
    """Log what is different."""
    if not before.resources:
        names = sorted(f"{kind}/{name}" for kind, name in now.resources)
        log.info("catalogue read", resources=len(names))
        log.debug("catalogue holds", resources=names)
    for (kind, name), (resource, file) in now.resources.items():
        earlier = before.resource(kind, name)
        if before.resources and earlier != resource:
            event = "manifest changed" if earlier else "manifest added"
            log.info(event, kind=kind, name=name, file=str(file))
    for kind, name in before.resources.keys() - now.resources.keys():
        log.info("manifest removed", kind=kind, name=name)
    for problem in now.problems:
        if problem not in before.problems:
            log.warning(
                "manifest refused",
                file=problem.file,
                resource=problem.resource,
                field=problem.field,
                problem=problem.message,
            )
