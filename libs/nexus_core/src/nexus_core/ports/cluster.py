"""Where Jobs run."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

from nexus_core.domain.journal import LogTail
from nexus_core.domain.names import RunKey
from nexus_core.domain.observation import JobHandle, JobStatus
from nexus_core.domain.request import CancellationPolicy


class FollowedLog(NamedTuple):
    """What a try prints, on its way out."""

    pod: str
    """The try."""
    chunks: AsyncIterator[bytes]
    """Pieces of any size, cut anywhere. Ends when the try has ended and all is told; raises
    `UnavailableError` where it breaks off before."""


class Cluster(Protocol):
    """Creates, finds and deletes the Jobs of runs, and tells what happens to them.

    A Job is named like the request id of its run, so that creating it twice is one Job.
    """

    @property
    def name(self) -> str:
        """What workgroups call this cluster."""

    async def create_job(
        self, key: RunKey, manifest: bytes, send_by: float | None = None
    ) -> JobHandle:
        """Create the Job of a run from its manifest (`batch/v1` Job as JSON).

        Idempotent: when the Job is there and is this run's, that is success, not `created`.

        Args:
            key: of the run.
            manifest: of its Job.
            send_by: monotonic time of the clock after which nothing is sent, looked at last thing
                before; whoever was frozen, or waited for a connection, does not send what is
                outdated.

        Raises:
            HeldUpError: it is later than `send_by`; nothing was sent.
            JobRejectedError: the cluster will never take this manifest.
            ConflictError: a Job of that name is there, and it is not this run's.
            UnavailableError: not now; `retry_after` when the cluster said so. The Job may exist.
        """

    async def find_job(self, key: RunKey) -> JobStatus | None:
        """Return the status of a run's Job; None when the cluster has none, or is removing it."""

    async def delete_job(
        self, key: RunKey, policy: CancellationPolicy = CancellationPolicy.BACKGROUND
    ) -> bool:
        """Delete the Job of a run and end its pods. False when there was none; idempotent.

        `Background` and `Foreground` delete the Jobs that name this one as owner too (Foreground:
        before it returns to being found as gone); `Orphan` lets them run on.
        """

    async def log(self, key: RunKey, limit: int) -> LogTail | None:
        """Return the end of what a run printed, at most `limit` bytes of it.

        Of its newest try that printed anything, as long as that try's pod is there; None when no
        such pod is. Takes seconds at most, also where the node of a pod does not answer.

        Raises:
            UnavailableError: also when a node does not answer, or we may not read logs.
        """

    def follow_log(
        self, key: RunKey, lines: int
    ) -> AbstractAsyncContextManager[FollowedLog | None]:
        """Open what the newest try of a run prints, from about its last `lines` lines on.

        None when no try has started whose pod is there. Whoever leaves the block follows no more.

        Raises:
            UnavailableError: as `log`.
        """

    def jobs(self) -> AsyncIterator[JobStatus]:
        """Go through all Jobs of runs that the cluster has now, those that it is removing too."""

    def observe(self) -> AsyncGenerator[JobStatus, None]:
        """Follow how the Jobs of runs change, until closed.

        Begins with each Job that is there, so that a follower who comes late or comes again misses
        little; the same status may come twice, and of several in a row only the last. A Job that
        goes is told of once more, as it was last, with `deleted_at`. Never ends by itself: who
        stops listening closes it.
        """

    def silence(self) -> float | None:
        """Return the seconds since `observe` heard anything, if only that nothing happens.

        None: nothing was heard yet, or nobody observes.
        """

    async def ping(self) -> None:
        """Return when the cluster answers; raise `UnavailableError` when it does not."""
