"""Starting the Job of a buffered run: by the scheduler in its turn, by the supervisor when late."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec
import structlog

from nexus_core.domain.acceptance import payload_serialization, payload_valid_for
from nexus_core.domain.cancellation import takes_children_along
from nexus_core.domain.checkpoint import BufferedJob, Checkpoint
from nexus_core.domain.errors import (
    ConflictError,
    InvalidInputError,
    JobRejectedError,
    UnavailableError,
)
from nexus_core.domain.job_manifest import RunUrls
from nexus_core.domain.names import RunKey
from nexus_core.domain.observation import JobHandle
from nexus_core.domain.stages import Stage, StageChange
from nexus_core.domain.stored_jobs import renew_urls, without_owner
from nexus_core.operations.payload_places import PayloadPlaces
from nexus_core.operations.settle import Settler
from nexus_core.ports.checkpoint_store import CheckpointStore
from nexus_core.ports.clock import Clock
from nexus_core.ports.cluster import Cluster
from nexus_core.ports.payload_store import Content, PayloadStore

log = structlog.get_logger()

# A run that waited this long may have been cancelled elsewhere, or submitted by a supervisor, and
# even be done and its Job gone: starting it again would be wrong. Below what supervisors call late.
_STALE_AFTER = timedelta(seconds=30)


class BufferedRun(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A buffered run with all that starting its Job takes, so that a queue need not read again.

    Thousands of them wait at a time; they refer to nothing that could refer back to them, and the
    garbage collector is spared looking at them.
    """

    key: RunKey
    cluster: str
    manifest: bytes
    payload_url: str
    """The URL that the manifest holds."""
    made_at: datetime
    """When the manifest and its URLs were made."""
    valid_for: timedelta
    """How long its URLs are valid from then on."""
    parent: RunKey | None
    payload_serialization: str = ""
    """As its configuration says: which store has its payload."""
    known_at: float | None = None
    """Monotonic time of this process when the run was known to wait; None: not told."""
    doubtful: bool = False
    """Whether somebody may have started it before: who launched it and got no answer, or a process
    of the same name that is dead. Its Job may even be gone again."""

    @classmethod
    def of(
        cls, checkpoint: Checkpoint, job: BufferedJob, known_at: float | None = None
    ) -> "BufferedRun":
        """Put together what the store holds."""
        return cls(
            key=checkpoint.key,
            cluster=job.cluster,
            manifest=job.manifest,
            payload_url=checkpoint.payload_uri,
            made_at=checkpoint.received_at,
            valid_for=payload_valid_for(checkpoint.applied_configuration),
            parent=checkpoint.parent.key if checkpoint.parent else None,
            known_at=known_at,
            payload_serialization=payload_serialization(checkpoint.applied_configuration),
        )


class Launched(StrEnum):
    """How a launch ended. Each of them is final: the run needs no further launch."""

    RUNNING = "running"
    """The Job exists, and the run is `RUNNING` or further."""
    REJECTED = "rejected"
    """The cluster will never take this Job; the run is `SCHEDULING_FAILED`."""
    FINISHED_BEFORE = "finished_before"
    """The run had finished, mostly by being cancelled; this launch leaves no Job behind."""


class Launcher:
    """Creates Jobs of buffered runs and records that they run.

    Idempotent, and safe against others who launch the same run: the Job is named like the run.
    """

    def __init__(  # noqa: PLR0913 - the ports that it stands on, and when it looks first
        self,
        store: CheckpointStore,
        payloads: PayloadStore | None,
        clusters: Mapping[str, Cluster],
        settler: Settler,
        clock: Clock,
        buffered_payloads: PayloadStore | None = None,
        *,
        alone: Callable[[], bool] = lambda: True,
        stale_after: timedelta = _STALE_AFTER,
    ) -> None:
        """Make one.

        Args:
            store: where runs are recorded.
            payloads: where payloads are kept, for URLs that are made anew.
            clusters: by name.
            settler: ends runs whose Job is refused.
            clock: says how long a run has waited.
            buffered_payloads: where those are whose templates say `backend`.
            alone: whether nobody else can have a reason to launch what is launched here.
            stale_after: a run that waited for so long is looked at before it is launched.
        """
        self._store = store
        self._places = PayloadPlaces(payloads, buffered_payloads) if payloads else None
        self._clusters = clusters
        self._settler = settler
        self._clock = clock
        self._alone = alone
        self._stale_after = stale_after

    async def launch(self, run: BufferedRun) -> Launched:
        """Start a run's Job.

        Raises:
            UnavailableError: the cluster or the store can't be used now. The Job may exist;
                launching again is right.
        """
        cluster = self._clusters.get(run.cluster)
        if cluster is None:
            raise UnavailableError(f"cluster '{run.cluster}' is not known here")
        manifest = await self._fresh_manifest(run)
        # Before the run is looked at: a cancellation is recorded first, then the Job is deleted.
        made = await cluster.find_job(run.key) if run.doubtful else None
        # Last thing before the Job is created. What is found out here is not believed for long: who
        # is held up beyond that, by a frozen process or for want of a connection, sends nothing.
        looked_at = self._clock.monotonic()
        parent = await self._store.find(run.parent) if run.parent else None
        if (end := await self._came_along_without(run, parent)) is not None:
            return end
        if made is not None:
            return await self._record(run.key, cluster, JobHandle(made.uid, created=False))
        send_by = looked_at + self._stale_after.total_seconds()
        if run.parent is not None and (parent is None or parent.lifecycle_stage.finished):
            # Its parent's Job may be gone, and a cluster deletes what is owned by nothing.
            manifest = without_owner(manifest)
        try:
            handle = await cluster.create_job(run.key, manifest, send_by)
        except (JobRejectedError, ConflictError) as error:
            await self._settler.settle(
                run.key,
                StageChange(
                    to=Stage.SCHEDULING_FAILED,
                    at=self._clock.now(),
                    cause=f"Cluster '{run.cluster}' refused the Job of this run.",
                    details=str(error),
                ),
            )
            return Launched.REJECTED
        return await self._record(run.key, cluster, handle)

    async def _record(self, key: RunKey, cluster: Cluster, handle: JobHandle) -> Launched:
        """Record that a run's Job is there; delete it if the run has finished without it."""
        now = self._clock.now()
        advance = await self._store.advance(
            key, StageChange(to=Stage.RUNNING, at=now, sent_at=now, job_uid=handle.uid)
        )
        if advance.applied:
            return Launched.RUNNING
        if advance.stage in _JOB_ENDS_BY_ITSELF and not await self._is_second(key, handle):
            return Launched.RUNNING
        # Cancelled, given up by a supervisor, or done and its Job gone, while this one was created.
        log.info("job deleted, run finished before", request_id=key.request_id)
        await cluster.delete_job(key)
        return Launched.FINISHED_BEFORE

    async def _came_along_without(
        self, run: BufferedRun, parent: Checkpoint | None
    ) -> Launched | None:
        """Return how far a run has come without this launch; None when it still needs its Job."""
        if parent is not None and await self._parent_was_cancelled(run, parent):
            return Launched.FINISHED_BEFORE
        if self._is_young(run) and self._alone() and not run.doubtful:
            return None
        checkpoint = await self._store.find(run.key)
        stage = checkpoint.lifecycle_stage if checkpoint else None
        if stage is Stage.BUFFERED:
            return None
        return Launched.RUNNING if stage is Stage.RUNNING else Launched.FINISHED_BEFORE

    def _is_young(self, run: BufferedRun) -> bool:
        """Tell whether a run has not waited for long, by any clock: one may be set back."""
        age = self._clock.monotonic() - run.known_at if run.known_at is not None else 0.0
        by_wall = self._clock.now() - run.made_at
        return max(age, by_wall.total_seconds()) < self._stale_after.total_seconds()

    async def _is_second(self, key: RunKey, handle: JobHandle) -> bool:
        """Tell whether a Job that was just created is a second one, after one that is gone.

        Two at once have one name. But others may start a run, and see its end, while whoever is
        about to create its Job is frozen, or waits for a connection.
        """
        if not handle.created:
            return False
        checkpoint = await self._store.find(key)
        return checkpoint is not None and checkpoint.job_uid not in {"", handle.uid}

    async def _parent_was_cancelled(self, run: BufferedRun, parent: Checkpoint) -> bool:
        """Cancel a child whose parent was cancelled while the child was on its way in.

        Cancelling lists the children that are there; a child accepted at that very moment is not
        among them. It is stored by the time this looks, so one of the two sees the other.
        """
        if not takes_children_along(parent):
            return False
        await self._settler.settle(
            run.key,
            StageChange(
                to=Stage.CANCELLED,
                at=self._clock.now(),
                cause=f"Cancelled with its parent {run.parent}.",
                details=parent.algorithm_failure_details,
            ),
        )
        return True

    async def _fresh_manifest(self, run: BufferedRun) -> bytes:
        """Return the manifest with URLs that will outlive the Job's start.

        Most runs start within seconds, and signing again would be work for nothing. Where there is
        no payload store, as beside schedulers that keep it or their secret to themselves, the URLs
        stay.
        """
        if self._places is None or self._clock.now() - run.made_at < run.valid_for / 4:
            return run.manifest
        payloads = self._places.of(run.payload_serialization)
        try:
            payload_url = await payloads.download_url(Content.PAYLOAD, run.key, run.valid_for)
        except InvalidInputError as error:
            log.warning("payload URL not renewed", request_id=run.key.request_id, error=str(error))
            return run.manifest
        urls = RunUrls(
            payload=payload_url,
            result_upload=await payloads.upload_url(Content.RESULT, run.key, run.valid_for),
        )
        return renew_urls(run.manifest, run.payload_url, urls)


# The algorithm has spoken, or was found to run, or to have failed: its Job ends, and is removed, by
# its own rules. To delete it would give its name away to whoever is about to create it, too.
_JOB_ENDS_BY_ITSELF = frozenset(
    {Stage.RUNNING, Stage.COMPLETED, Stage.FAILED, Stage.DEADLINE_EXCEEDED}
)
