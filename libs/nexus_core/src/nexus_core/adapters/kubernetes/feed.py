"""How Jobs of runs and their pods change, told as it happens."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

import msgspec
import structlog

from nexus_core.adapters.kubernetes.known_runs import KnownRuns
from nexus_core.adapters.kubernetes.runs import Event, Job, Pod
from nexus_core.adapters.kubernetes.watch import Applied, Deleted, Happening, Listed, Watch
from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.observation import JobStatus
from nexus_core.ports.clock import Clock

log = structlog.get_logger()

# What has happened and was not yet looked at; the streams wait meanwhile.
_WAITING = 1000
# How long it is waited for what is there to be listed, before it is told as far as it is known.
_HEAD_START_SECONDS = 10.0

LookUpPods = Callable[[str], Awaitable[list[Pod]]]
"""Returns the pods of a Job by its name."""

_Object = Job | Pod | Event
_Item = Happening[Job] | Happening[Pod] | Happening[Event]


class _Enough:
    """Put into the queue when what is there has been waited for long enough."""


class Watches(msgspec.Struct, frozen=True, kw_only=True):
    """The three that a feed is made of."""

    jobs: Watch[Job]
    pods: Watch[Pod]
    events: Watch[Event]


class RunFeed:
    """One follower's view of a cluster."""

    def __init__(self, watches: Watches, look_up_pods: LookUpPods, clock: Clock) -> None:
        self._watches = watches
        self._look_up_pods = look_up_pods
        self._clock = clock
        self._queue: asyncio.Queue[tuple[type[_Object], _Item] | _Enough | Exception]
        self._queue = asyncio.Queue(_WAITING)
        self._runs = KnownRuns()

    @property
    def age(self) -> float | None:
        """Seconds since the watch of Jobs heard anything; None: never yet."""
        return self._watches.jobs.age

    async def statuses(self) -> AsyncGenerator[JobStatus, None]:
        """Tell of the Jobs that are there, then of what changes; never ends."""
        tasks = [
            asyncio.create_task(self._pump(Job, self._watches.jobs), name="follow jobs"),
            asyncio.create_task(self._pump(Pod, self._watches.pods), name="follow pods"),
            asyncio.create_task(self._pump(Event, self._watches.events), name="follow events"),
            asyncio.create_task(self._call_time(), name="head start of a feed"),
        ]
        try:
            for kind, item in await self._collect():
                if (news := await self._news(kind, item)) is not None:
                    yield news
            while True:
                match await self._queue.get():
                    case (kind, item):
                        if (news := await self._news(kind, item)) is not None:
                            yield news
                    case Exception() as error:
                        raise error
                    case _Enough():
                        pass
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _pump(
        self, kind: type[_Object], watch: Watch[Job] | Watch[Pod] | Watch[Event]
    ) -> None:
        try:
            async with aclosing(watch.follow()) as items:
                async for item in items:
                    await self._queue.put((kind, item))
        except Exception as error:  # noqa: BLE001 - a mistake of ours, told to who listens
            await self._queue.put(error)

    async def _call_time(self) -> None:
        await self._clock.sleep(_HEAD_START_SECONDS)
        await self._queue.put(_Enough())

    async def _collect(self) -> list[tuple[type[_Object], _Item]]:
        """Wait until all that is there is listed; return it, objects before what refers to them."""
        collected: list[tuple[type[_Object], _Item]] = []
        awaited: set[type[_Object]] = {Job, Pod, Event}
        while awaited:
            match await self._queue.get():
                case (kind, Listed()):
                    awaited.discard(kind)
                case (kind, item):
                    collected.append((kind, item))
                case Exception() as error:
                    raise error
                case _Enough():
                    kinds = sorted(kind.__name__ for kind in awaited)
                    log.warning("feed begins without", kinds=kinds)
                    break
        # Pods and events wait for their Job; so each Job is told with all that is known of it.
        order = (Event, Pod, Job)
        return sorted(collected, key=lambda entry: order.index(entry[0]))

    async def _news(self, kind: type[_Object], item: _Item) -> JobStatus | None:
        """Take up what a watch told; return the status that is new by it."""
        match item:
            case Applied(Job() as job):
                if self._runs.lacks_pods(job):
                    await self._take_up_pods(job.metadata.name)
                return self._runs.job_applied(job)
            case Applied(Pod() as pod):
                return self._runs.pod_applied(pod)
            case Applied(Event() as event):
                return self._runs.event_applied(event)
            case Deleted(name) if kind is Job:
                return self._runs.job_deleted(name, self._clock.now())
            case Deleted(name) if kind is Pod:
                return self._runs.pod_deleted(name)
        return None

    async def _take_up_pods(self, job_name: str) -> None:
        """Ask for the pods of a Job that has ended before its pods were heard of."""
        try:
            pods = await self._look_up_pods(job_name)
        except UnavailableError as error:
            log.warning("pods not known", job=job_name, error=str(error))
            return
        for pod in pods:
            self._runs.pod_applied(pod)
