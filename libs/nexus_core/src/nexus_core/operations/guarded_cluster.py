"""A cluster that is not called while it is known to be away."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager

from nexus_core.aio.circuit import Circuit, CircuitPace
from nexus_core.aio.tasks import BackgroundTasks
from nexus_core.domain.journal import LogTail
from nexus_core.domain.names import RunKey
from nexus_core.domain.observation import JobHandle, JobStatus
from nexus_core.domain.request import CancellationPolicy
from nexus_core.ports.clock import Clock
from nexus_core.ports.cluster import Cluster, FollowedLog


class GuardedCluster:
    """The port `Cluster` with a circuit in front: launches, deletions and sweeps share it.

    So what one of them finds out spares all others the wait, and who cancels a run is answered at
    once though its cluster hangs.
    """

    def __init__(self, cluster: Cluster, circuit: Circuit) -> None:
        self._cluster = cluster
        self.circuit = circuit
        """Whether the cluster is called."""

    @property
    def name(self) -> str:
        """What workgroups call this cluster."""
        return self._cluster.name

    def start(self, tasks: BackgroundTasks) -> None:
        """Start asking whether the cluster is there; without that, an open circuit stays open."""
        tasks.start(f"ask {self.circuit.part}", self.circuit.keep_asking(self._cluster.ping))

    async def create_job(
        self, key: RunKey, manifest: bytes, send_by: float | None = None
    ) -> JobHandle:
        """Create the Job of a run, as the port says."""
        with self.circuit.call():
            return await self._cluster.create_job(key, manifest, send_by)

    async def find_job(self, key: RunKey) -> JobStatus | None:
        """Return the status of a run's Job, as the port says."""
        with self.circuit.call():
            return await self._cluster.find_job(key)

    async def delete_job(
        self, key: RunKey, policy: CancellationPolicy = CancellationPolicy.BACKGROUND
    ) -> bool:
        """Delete the Job of a run, as the port says."""
        with self.circuit.call():
            return await self._cluster.delete_job(key, policy)

    # What is printed comes from nodes: one that does not answer says nothing of the cluster.

    async def log(self, key: RunKey, limit: int) -> LogTail | None:
        """Return the end of what a run printed, as the port says."""
        self.circuit.check()
        return await self._cluster.log(key, limit)

    def follow_log(
        self, key: RunKey, lines: int
    ) -> AbstractAsyncContextManager[FollowedLog | None]:
        """Open what a run prints, as the port says."""
        self.circuit.check()
        return self._cluster.follow_log(key, lines)

    async def jobs(self) -> AsyncIterator[JobStatus]:
        """Go through all Jobs, as the port says."""
        with self.circuit.call():
            async for status in self._cluster.jobs():
                yield status

    def observe(self) -> AsyncGenerator[JobStatus, None]:
        """Follow what happens, as the port says: a feed has a patience of its own."""
        return self._cluster.observe()

    def silence(self) -> float | None:
        """Return the seconds since `observe` heard anything."""
        return self._cluster.silence()

    async def ping(self) -> None:
        """Return when the cluster answers, whatever is known of it."""
        await self._cluster.ping()


def guard_clusters(
    clusters: Mapping[str, Cluster], clock: Clock, pace: CircuitPace
) -> dict[str, GuardedCluster]:
    """Put a circuit in front of each cluster; each is to be started."""
    return {
        name: GuardedCluster(cluster, Circuit(f"cluster {name}", clock, pace))
        for name, cluster in clusters.items()
    }
