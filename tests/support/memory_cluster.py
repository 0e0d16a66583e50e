"""A cluster of plain values: its Jobs exist, and go on as an exploration lets them."""

from collections import Counter
from collections.abc import Hashable, Sequence
from datetime import timedelta
from functools import partial

import msgspec

from nexus_core.domain.errors import ConflictError, HeldUpError
from nexus_core.domain.names import RunKey
from nexus_core.domain.observation import JobHandle, JobPhase, JobStatus
from nexus_core.domain.request import CancellationPolicy
from nexus_core.ports.clock import Clock
from support.exploring import Event

# As Jobs say it of themselves (contract §5).
_REMOVED_AFTER = timedelta(seconds=300)


class MemoryCluster:
    """Jobs by run, and what may happen to each of them now."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.jobs: dict[RunKey, JobStatus] = {}
        self.owners: dict[RunKey, str] = {}
        self.creations: Counter[RunKey] = Counter()
        """How often a Job came into being, by run."""
        self.starts: Counter[RunKey] = Counter()
        """How often a Job began to run."""

    def state(self) -> Hashable:
        jobs = sorted(
            (job.key, job.uid, job.phase, job.started, job.created_at) for job in self.jobs.values()
        )
        return tuple(jobs), tuple(sorted(self.starts.items()))

    def create_job(self, key: RunKey, manifest: bytes, send_by: float | None = None) -> JobHandle:
        if send_by is not None and self._clock.monotonic() >= send_by:
            raise HeldUpError(f"Job {key.request_id} was held up before it was sent")
        if (job := self.jobs.get(key)) is not None:
            return JobHandle(job.uid, created=False)
        if any(other.request_id == key.request_id for other in self.jobs):
            raise ConflictError(f"Job {key.request_id} is another run's")
        self.creations[key] += 1
        uid = f"job {self.creations[key]} of {key}"
        self.jobs[key] = JobStatus(
            key=key, uid=uid, phase=JobPhase.ACTIVE, created_at=self._clock.now()
        )
        for owner in msgspec.json.decode(manifest)["metadata"].get("ownerReferences", ()):
            self.owners[key] = owner["uid"]
        return JobHandle(uid, created=True)

    def find_job(self, key: RunKey) -> JobStatus | None:
        return self.jobs.get(key)

    def delete_job(
        self, key: RunKey, policy: CancellationPolicy = CancellationPolicy.BACKGROUND
    ) -> bool:
        job = self.jobs.pop(key, None)
        if job is None:
            return False
        if policy is not CancellationPolicy.ORPHAN:
            for child in [child for child, uid in self.owners.items() if uid == job.uid]:
                self.delete_job(child, policy)
        return True

    def log(self, *_: object) -> None:
        """Return nothing: no Job here prints."""

    def list_jobs(self) -> Sequence[JobStatus]:
        return list(self.jobs.values())

    # What may happen by itself.

    def events(self) -> list[Event]:
        return [event for job in list(self.jobs.values()) for event in self._events_of(job)]

    def _events_of(self, job: JobStatus) -> list[Event]:
        name = job.key.request_id
        if job.phase is not JobPhase.ACTIVE:
            return []
        if not job.started:
            return [(f"job of {name} starts", partial(self.start, job.key))]
        return [
            (f"job of {name} fails", partial(self.finish, job.key, JobPhase.FAILED)),
            (f"job of {name} succeeds", partial(self.finish, job.key, JobPhase.SUCCEEDED)),
        ]

    def start(self, key: RunKey) -> None:
        self.starts[key] += 1
        self.jobs[key] = msgspec.structs.replace(self.jobs[key], started=True)

    def finish(self, key: RunKey, phase: JobPhase) -> None:
        failed = phase is JobPhase.FAILED
        self.jobs[key] = msgspec.structs.replace(
            self.jobs[key],
            phase=phase,
            finished_at=self._clock.now(),
            reason="BackoffLimitExceeded" if failed else "",
            message="Job has reached the specified backoff limit" if failed else "",
            exit_code=1 if failed else 0,
            termination_reason="Error" if failed else "Completed",
        )

    def remove_old(self) -> None:
        """Remove the Jobs whose time to live has passed."""
        now = self._clock.now()
        for job in list(self.jobs.values()):
            if job.finished_at is not None and now - job.finished_at >= _REMOVED_AFTER:
                del self.jobs[job.key]
