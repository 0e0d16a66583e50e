"""The port `Cluster` over Kubernetes."""

from collections.abc import AsyncGenerator, AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager, aclosing
from typing import TypeVar

from nexus_core.adapters.kubernetes.connection import Connection
from nexus_core.adapters.kubernetes.feed import RunFeed, Watches
from nexus_core.adapters.kubernetes.jobs import JobClient
from nexus_core.adapters.kubernetes.logs import PodLogs
from nexus_core.adapters.kubernetes.objects import KubernetesObject
from nexus_core.adapters.kubernetes.rights import Right, what_lacks
from nexus_core.adapters.kubernetes.runs import RUN_SELECTOR, Event, Job, Pod
from nexus_core.adapters.kubernetes.watch import Pace, Watch
from nexus_core.domain.journal import LogTail
from nexus_core.domain.names import RunKey
from nexus_core.domain.observation import JobHandle, JobStatus
from nexus_core.domain.request import CancellationPolicy
from nexus_core.ports.clock import Clock
from nexus_core.ports.cluster import FollowedLog
from nexus_core.ports.timekeeper import ToldTime, told_by

T = TypeVar("T", bound=KubernetesObject)

# Of events, what goes wrong: all that goes well is told by states, and there is much of it.
_WHAT_GOES_WRONG = "type=Warning"
# A deletion in the foreground waits for the pods, which have 30 s to end unless they say otherwise.
_DELETION_SECONDS = 45.0
# An API server waits up to 30 s for a kubelet, and nobody who wants a log has that long.
_LOG_SECONDS = 5.0


class KubernetesCluster:
    """The Jobs of runs in one namespace of one cluster.

    It holds nothing but connections: any number of processes may use the same cluster at once.
    """

    def __init__(
        self,
        name: str,
        connection: Connection,
        clock: Clock,
        *,
        namespace: str,
        pace: Pace | None = None,
    ) -> None:
        """Take an open connection; whoever opened it closes it.

        Args:
            name: what workgroups call this cluster.
            connection: to its API server.
            clock: for pauses and ages.
            namespace: where Jobs run.
            pace: how they are followed.
        """
        self._name = name
        self._connection = connection
        self._clock = clock
        self._pace = pace
        self._namespace = namespace
        self._jobs = JobClient(connection, namespace, clock, _DELETION_SECONDS)
        self._logs = PodLogs(
            connection, self._jobs.pods_path, self._jobs.pods_of, clock, _LOG_SECONDS
        )
        self._feeds: set[RunFeed] = set()

    @property
    def name(self) -> str:
        """What workgroups call this cluster."""
        return self._name

    async def create_job(
        self, key: RunKey, manifest: bytes, send_by: float | None = None
    ) -> JobHandle:
        """Create the Job of a run: its manifest goes out as it is."""
        return await self._jobs.create(key, manifest, send_by)

    async def find_job(self, key: RunKey) -> JobStatus | None:
        """Return the status of a run's Job; one that is being deleted is gone already."""
        return await self._jobs.find(key)

    async def delete_job(
        self, key: RunKey, policy: CancellationPolicy = CancellationPolicy.BACKGROUND
    ) -> bool:
        """Delete the Job of a run.

        `Background`: the cluster's garbage collector removes its pods and the Jobs that it owns,
        soon. `Foreground`: its pods have ended on return. `Orphan`: as `Background`, and the Jobs
        that it owns are let go first.
        """
        return await self._jobs.delete(key, policy)

    async def log(self, key: RunKey, limit: int) -> LogTail | None:
        """Return the end of what a run printed, as far as the kubelet of its pod still has it."""
        return await self._logs.tail(key, limit)

    def follow_log(
        self, key: RunKey, lines: int
    ) -> AbstractAsyncContextManager[FollowedLog | None]:
        """Open what the newest try of a run prints."""
        return self._logs.followed(key, lines)

    def jobs(self) -> AsyncIterator[JobStatus]:
        """Go through all Jobs."""
        return self._jobs.all()

    async def observe(self) -> AsyncGenerator[JobStatus, None]:
        """Follow what happens; outlives whatever happens to the connection."""
        feed = RunFeed(self._watches(), self._jobs.pods_of, self._clock)
        self._feeds.add(feed)
        try:
            async with aclosing(feed.statuses()) as statuses:
                async for status in statuses:
                    yield status
        finally:
            self._feeds.discard(feed)

    def silence(self) -> float | None:
        """Return the seconds since the watch of Jobs heard anything; servers say so each minute."""
        ages = [feed.age for feed in self._feeds if feed.age is not None]
        return min(ages, default=None)

    async def ping(self) -> None:
        """Return when Jobs can be listed."""
        await self._jobs.ping()

    async def time(self) -> ToldTime:
        """Return what the API server's clock says: with an answer that anybody is given."""
        answer = await self._connection.request("GET", "/version")
        return told_by(answer.date(), self._connection.origin)

    async def what_lacks(self, needed: Collection[Right]) -> str:
        """Return, in one line, which of these rights our account has not where runs are."""
        return await what_lacks(self._connection, self._namespace, needed)

    def _watches(self) -> Watches:
        of_runs = {"labelSelector": RUN_SELECTOR}
        return Watches(
            jobs=self._watch(self._jobs.jobs_path, Job, of_runs),
            pods=self._watch(self._jobs.pods_path, Pod, of_runs),
            # Events have no labels; which are of runs is told by the objects that they name.
            events=self._watch(
                f"/api/v1/namespaces/{self._namespace}/events",
                Event,
                {"fieldSelector": _WHAT_GOES_WRONG},
            ),
        )

    def _watch(self, path: str, kind: type[T], selectors: dict[str, str]) -> Watch[T]:
        return Watch(
            self._connection, path, kind, self._clock, selectors=selectors, pace=self._pace
        )
