"""The port `Catalogue` in the custom resources of a namespace."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Self

import structlog

from nexus_core.adapters.kubernetes.condition_writer import ConditionWriter
from nexus_core.adapters.kubernetes.connection import Connection
from nexus_core.adapters.kubernetes.custom_resources import (
    DEFINITIONS,
    CustomResource,
    ReadResource,
    collection,
    plural,
    read,
)
from nexus_core.adapters.kubernetes.held_resources import HeldResources, ResourceKey, Verdict
from nexus_core.adapters.kubernetes.rights import READING, what_lacks
from nexus_core.adapters.kubernetes.watch import Applied, Deleted, Happening, Listed, Pace, Watch
from nexus_core.aio.tasks import BackgroundTasks
from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.manifests import KINDS
from nexus_core.domain.template import API_GROUP, Template, Workgroup
from nexus_core.ports.clock import Clock

log = structlog.get_logger()

# A list of some thousand resources takes less than a second. Whoever starts while the API server is
# away is not ready, says why, and goes on trying.
_FIRST_LIST_SECONDS = 5.0

_NOT_FOUND = 404
_FORBIDDEN = 403


class KubernetesCatalogue:
    """Templates and workgroups from the custom resources of a namespace, followed as they change.

    What can be said of each is written to its status, as the condition `Accepted`. While the API
    server is away, the catalogue answers as it last knew.
    """

    def __init__(
        self,
        connection: Connection,
        namespace: str,
        clusters: Collection[str],
        clock: Clock,
        pace: Pace | None = None,
    ) -> None:
        self._connection = connection
        self._namespace = namespace
        self._held = HeldResources(clusters)
        self._listed = {kind: asyncio.Event() for kind in KINDS}
        self._watches = {
            kind: Watch(connection, collection(namespace, kind), CustomResource, clock, pace=pace)
            for kind in KINDS
        }
        self._conditions = ConditionWriter(connection, namespace, clock, self._look)
        self._why_unread = "they are being read"
        self._fault: asyncio.Future[str] | None = None

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        connection: Connection,
        namespace: str,
        clusters: Collection[str],
        clock: Clock,
        pace: Pace | None = None,
    ) -> AsyncIterator[Self]:
        """Read the resources, and follow their changes until left.

        When they can't be read now, that is logged and told by `ping`, and tried on.

        Args:
            connection: to the API server.
            namespace: where the resources are.
            clusters: those that are reached, by name; what is on others is not accepted.
            clock: for pauses, ages, and the times in conditions.
            pace: how often to do what.
        """
        catalogue = cls(connection, namespace, clusters, clock, pace)
        async with BackgroundTasks() as tasks:
            for kind in KINDS:
                tasks.start(f"catalogue {plural(kind)}", catalogue._follow(kind))
            tasks.start("catalogue conditions", catalogue._conditions.run())
            catalogue._fault = tasks.fault
            await catalogue._begin()
            yield catalogue

    def template(self, name: str) -> Template | None:
        """Return a template; None when there is none of that name.

        Raises:
            UnavailableError: the resources could not be read yet.
        """
        self._check_listed()
        return self._held.template(name)

    def workgroup(self, name: str) -> Workgroup | None:
        """Return a workgroup; None when there is none of that name.

        Raises:
            UnavailableError: the resources could not be read yet.
        """
        self._check_listed()
        return self._held.workgroup(name)

    def templates(self) -> Sequence[Template]:
        """Return all templates that are known, by name."""
        return self._held.templates()

    def age(self) -> float | None:
        """Return seconds since anything was heard, of the quieter kind; None: not of both yet."""
        ages = [watch.age for watch in self._watches.values()]
        heard = [age for age in ages if age is not None]
        return max(heard) if len(heard) == len(ages) else None

    async def ping(self) -> None:
        """Return once all was read, unless there are resources and none of them was ever sound."""
        for kind in KINDS:
            if not self._listed[kind].is_set():
                await self._ask(kind)
        self._check_listed()
        if self._fault and self._fault.done():
            raise UnavailableError(self._fault.result())
        if why := self._held.why_useless():
            raise UnavailableError(why)

    async def what_lacks(self) -> str:
        """Return, in one line, which rights our account has not where the resources are."""
        return await what_lacks(self._connection, self._namespace, READING)

    async def _begin(self) -> None:
        """Wait until all was read, or can't be."""
        try:
            for kind in KINDS:
                await self._ask(kind)
            async with asyncio.timeout(_FIRST_LIST_SECONDS):
                for event in self._listed.values():
                    await event.wait()
        except UnavailableError as error:
            self._why_unread = str(error)
            log.warning("catalogue not read", error=str(error))
        except TimeoutError:
            log.warning("catalogue not read", error="it takes long")
        else:
            resources = len(list(self._held.keys()))
            log.info("catalogue read", resources=resources, namespace=self._namespace)

    async def _ask(self, kind: str) -> None:
        """Return when resources of a kind can be listed; raise with what is to be done for it."""
        path = collection(self._namespace, kind)
        answer = await self._connection.request("GET", path, params={"limit": "1"})
        if answer.ok:
            return
        origin, message = self._connection.origin, answer.refusal().message
        if answer.status == _NOT_FOUND:
            raise UnavailableError(
                f"{origin}: has no definition of {plural(kind)}.{API_GROUP}; {DEFINITIONS}"
            )
        if answer.status == _FORBIDDEN:
            raise UnavailableError(
                f"{origin}: needs the rights list and watch on {plural(kind)}.{API_GROUP} "
                f"in namespace '{self._namespace}': {message}"
            )
        raise UnavailableError(f"{origin}: {message}")

    def _check_listed(self) -> None:
        for kind, listed in self._listed.items():
            if not listed.is_set():
                why = self._watches[kind].trouble or self._why_unread
                raise UnavailableError(f"{plural(kind)} are not known yet: {why}")

    async def _follow(self, kind: str) -> None:
        async with aclosing(self._watches[kind].follow()) as happenings:
            async for happening in happenings:
                self._take(kind, happening)

    def _take(self, kind: str, happening: Happening[CustomResource]) -> None:
        match happening:
            case Applied(object=resource):
                key = (kind, resource.metadata.name)
                now = read(kind, resource)
                _tell(key, self._held.put(key, now), now, started=self._all_listed)
                self._consider(key)
            case Deleted(name=name):
                key = (kind, name.name)
                if self._held.drop(key):
                    log.info("manifest removed", kind=kind, name=name.name)
                self._consider(key)
            case Listed():
                self._listed[kind].set()
                self._conditions.try_refused_again()
                if self._all_listed:
                    self._conditions.consider(self._held.keys())

    def _consider(self, key: ResourceKey) -> None:
        # Before both kinds were read, a workgroup may only seem not to be there.
        if self._all_listed:
            self._conditions.consider(self._held.affected_by(key))

    @property
    def _all_listed(self) -> bool:
        return all(listed.is_set() for listed in self._listed.values())

    def _look(self, key: ResourceKey) -> tuple[CustomResource, Verdict] | None:
        found, verdict = self._held.get(key), self._held.verdict(key)
        return (found.resource, verdict) if found and verdict else None


def _tell(
    key: ResourceKey, before: ReadResource | None, now: ReadResource, *, started: bool
) -> None:
    """Log what is different; a change of the status alone is none."""
    kind, name = key
    sound = now.manifest.resource
    if started and sound and (before is None or before.manifest.resource != sound):
        event = "manifest changed" if before else "manifest added"
        log.info(event, kind=kind, name=name, generation=now.resource.metadata.generation)
    told = before.manifest.problems if before else ()
    for problem in now.manifest.problems:
        if problem not in told:
            log.warning(
                "manifest refused",
                resource=f"{kind}/{name}",
                field=problem.field,
                problem=problem.message,
            )
