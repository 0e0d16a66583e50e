"""What stores and clusters promise, and nothing else: plain values, no waiting, no failing.

Explorations run on these thousands of times. The contract suites hold them to the ports' promises,
as they hold the real adapters.
"""

from collections.abc import Callable, Hashable, Sequence
from datetime import UTC, datetime

import msgspec

from nexus_core.domain.checkpoint import (
    Acceptance,
    BufferedJob,
    Checkpoint,
    IdempotencyKey,
    Lease,
    OpenRun,
    RunCursor,
    RunFilter,
    RunSummary,
)
from nexus_core.domain.errors import ConflictError
from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import SOURCES, Advance, Stage, StageChange
from nexus_core.ports.clock import Clock


class MemoryStore:
    """The ports on one database, as plain methods."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.records: dict[RunKey, Checkpoint] = {}
        self.jobs: dict[RunKey, BufferedJob] = {}
        self.keys: dict[tuple[str, str], tuple[IdempotencyKey, str]] = {}
        self.leases: dict[str, Lease] = {}
        self.changes: list[tuple[RunKey, Stage]] = []
        """All changes of stage, in order."""

    def state(self) -> Hashable:
        """Return all that is held, but for what never changes."""
        runs = sorted(
            (
                run.key,
                run.lifecycle_stage,
                run.algorithm_failure_cause,
                run.result_uri,
                run.job_uid,
                run.last_modified,
            )
            for run in self.records.values()
        )
        keys = sorted((name, holder) for name, (_, holder) in self.keys.items())
        leases = sorted((lease.owner, lease.expires_at) for lease in self.leases.values())
        return tuple(runs), tuple(keys), tuple(leases)

    # CheckpointStore

    def accept(
        self,
        checkpoint: Checkpoint,
        job: BufferedJob | None,
        key: IdempotencyKey | None = None,
    ) -> Acceptance:
        if checkpoint.key in self.records:
            return Acceptance(checkpoint.id)
        if key is not None:
            if (earlier := self.find_submission(key)) is not None:
                return earlier
            self.keys[key.algorithm, key.key] = (key, checkpoint.id)
        self.records[checkpoint.key] = _in_utc(checkpoint)
        if job is not None:
            self.jobs[checkpoint.key] = job
        return Acceptance(checkpoint.id)

    def find(self, key: RunKey) -> Checkpoint | None:
        return self.records.get(key)

    def find_job(self, key: RunKey) -> BufferedJob | None:
        return self.jobs.get(key)

    def find_submission(self, key: IdempotencyKey) -> Acceptance | None:
        held = self.keys.get((key.algorithm, key.key))
        if held is None or held[0].expires_at <= self._clock.now():
            return None
        if held[0].fingerprint != key.fingerprint:
            raise ConflictError("this idempotency key was used with another request")
        return Acceptance(held[1], replayed=True)

    def advance(self, key: RunKey, change: StageChange) -> Advance:
        run = self.records.get(key)
        if run is None:
            return Advance(applied=False, stage=None)
        if run.lifecycle_stage not in SOURCES[change.to]:
            return Advance(applied=False, stage=run.lifecycle_stage)
        self.records[key] = msgspec.structs.replace(
            run,
            lifecycle_stage=change.to,
            last_modified=change.at,
            algorithm_failure_cause=change.cause or run.algorithm_failure_cause,
            algorithm_failure_details=change.details or run.algorithm_failure_details,
            result_uri=change.result_uri or run.result_uri,
            sent_at=change.sent_at or run.sent_at,
            job_uid=change.job_uid or run.job_uid,
        )
        self.changes.append((key, change.to))
        return Advance(applied=True, stage=change.to)

    def retag(self, key: RunKey, tag: str, at: datetime) -> bool:
        if key not in self.records:
            return False
        self.records[key] = msgspec.structs.replace(self.records[key], tag=tag, last_modified=at)
        return True

    def ping(self) -> None:
        pass

    # RunIndex

    def tagged(self, tag: str) -> Sequence[Checkpoint]:
        found = [run for run in self.records.values() if tag and run.tag == tag]
        return sorted(found, key=lambda run: (run.received_at, run.id), reverse=True)

    def children(self, parent: RunKey) -> Sequence[RunKey]:
        return [run.key for run in self.records.values() if run.parent and run.parent.key == parent]

    def runs(
        self, where: RunFilter, limit: int, after: RunCursor | None = None
    ) -> Sequence[RunSummary]:
        found = sorted(
            (run for run in self.records.values() if _chosen(run, where)), key=_place, reverse=True
        )
        return [_summary(run) for run in found if after is None or _place(run) < after][:limit]

    def open_runs(
        self,
        cluster: str,
        received_before: datetime,
        limit: int,
        after: RunCursor | None = None,
    ) -> Sequence[OpenRun]:
        return self._oldest_first(
            lambda run: (
                not run.lifecycle_stage.finished
                and self._cluster_of(run) == cluster
                and run.received_at < received_before
            ),
            limit,
            after,
        )

    def buffered_by(
        self,
        owner: str,
        limit: int,
        after: RunCursor | None = None,
        cluster: str | None = None,
    ) -> Sequence[OpenRun]:
        return self._oldest_first(
            lambda run: (
                run.lifecycle_stage is Stage.BUFFERED
                and run.received_by_host == owner
                and cluster in {None, self._cluster_of(run)}
            ),
            limit,
            after,
        )

    def _oldest_first(
        self, matters: Callable[[Checkpoint], bool], limit: int, after: RunCursor | None
    ) -> Sequence[OpenRun]:
        found = sorted((run for run in self.records.values() if matters(run)), key=_place)
        return [_open_run(run) for run in found if after is None or _place(run) > after][:limit]

    def _cluster_of(self, run: Checkpoint) -> str:
        job = self.jobs.get(run.key)
        return job.cluster if job else ""

    # LeaseStore

    def renew(self, lease: Lease) -> None:
        self.leases[lease.owner] = lease

    def release(self, owner: str, at: datetime) -> None:
        lease = self.leases.get(owner)
        if lease is not None and lease.expires_at > at:
            self.leases[owner] = msgspec.structs.replace(lease, expires_at=at)

    def alive(self, at: datetime) -> Sequence[Lease]:
        return [lease for lease in self._leases() if lease.expires_at > at]

    def expired(self, at: datetime) -> Sequence[Lease]:
        return [lease for lease in self._leases() if lease.expires_at <= at]

    def _leases(self) -> list[Lease]:
        return sorted(self.leases.values(), key=lambda lease: lease.expires_at)


def _in_utc(run: Checkpoint) -> Checkpoint:
    return msgspec.structs.replace(run, received_at=run.received_at.astimezone(UTC))


def _place(run: Checkpoint) -> RunCursor:
    return RunCursor(run.received_at, run.id)


def _chosen(run: Checkpoint, where: RunFilter) -> bool:
    return (
        (not where.algorithm or run.algorithm == where.algorithm)
        and (not where.stages or run.lifecycle_stage in where.stages)
        and (not where.tag or run.tag == where.tag)
        and (where.received_from is None or run.received_at >= where.received_from)
        and (where.received_until is None or run.received_at < where.received_until)
    )


def _summary(run: Checkpoint) -> RunSummary:
    return RunSummary(
        key=run.key,
        stage=run.lifecycle_stage,
        tag=run.tag,
        received_at=run.received_at,
        sent_at=run.sent_at,
        last_modified=run.last_modified,
        cause=run.algorithm_failure_cause,
    )


def _open_run(run: Checkpoint) -> OpenRun:
    return OpenRun(
        key=run.key,
        stage=run.lifecycle_stage,
        owner=run.received_by_host,
        received_at=run.received_at,
        sent_at=run.sent_at,
        last_modified=run.last_modified,
        job_uid=run.job_uid,
    )
