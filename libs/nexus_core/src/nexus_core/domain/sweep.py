"""What a sweep does about one run or one Job, from what the store and the cluster say of it.

What clusters tell makes an answer fast; these decisions, taken again and again on a timer, make it
certain. They hold nothing between two sweeps: any supervisor may take any of them, twice.
"""

from datetime import datetime, timedelta

import msgspec

from nexus_core.domain.checkpoint import Checkpoint, OpenRun
from nexus_core.domain.judge import judge
from nexus_core.domain.observation import JobPhase, JobStatus
from nexus_core.domain.stages import Stage
from nexus_core.domain.verdicts import Patience, Verdict, job_is_gone


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """How long a sweep waits before it acts."""

    late_after: timedelta = timedelta(seconds=60)
    """After it was received, a run still `BUFFERED` is submitted ahead of the queue.

    Long against a healthy queue, short against the patience of who waits for the result.
    """
    new_expires_after: timedelta = timedelta(minutes=10)
    """After it was received, a run still `NEW` is given up: its payload was never stored.

    Longer than any upload that a client waits for.
    """
    job_missing_grace: timedelta = timedelta(seconds=60)
    """After it last changed, a `RUNNING` run without a Job is given up.

    The Job's creation and the record of it are two writes, and a cluster's answer may lag.
    """
    mass_loss_grace: timedelta = timedelta(minutes=5)
    """After most Jobs were first found missing, their runs are given up.

    Long enough for somebody to see it who knows better.
    """
    straggler_grace: timedelta = timedelta(seconds=60)
    """After its run finished, a Job still active is deleted.

    An algorithm reports its result first and ends then: it may flush its logs.
    """
    patience: Patience = Patience()
    """With Jobs that don't go on."""

    @property
    def shortest(self) -> timedelta:
        """The age below which no run is late for anything."""
        return min(
            self.late_after, self.new_expires_after, self.job_missing_grace, self.patience.shortest
        )


class Submit(msgspec.Struct, frozen=True):
    """Create the run's Job from the buffer, ahead of the queue."""

    owner_lost: bool = False
    """Whether because its scheduler is gone; else because it is late."""


class MarkRunning(msgspec.Struct, frozen=True):
    """Record that the run's Job exists: whoever created it did not come to that."""

    job_uid: str
    sent_at: datetime


class Settle(msgspec.Struct, frozen=True):
    """Bring the run to a finished stage."""

    verdict: Verdict


class GiveUp(msgspec.Struct, frozen=True):
    """Its Job is not among those of the cluster: make sure of it, and bring it to a finished stage.

    Whether to believe it depends on how many they are: see `is_mass_loss`.
    """

    verdict: Verdict


Action = Submit | MarkRunning | Settle | GiveUp

# Below this, most Jobs are few Jobs.
_MANY = 10


def decide_run(
    run: OpenRun,
    job: JobStatus | None,
    now: datetime,
    thresholds: Thresholds,
    *,
    owner_lost: bool = False,
    memory_limit: str = "",
) -> Action | None:
    """Return what to do about an unfinished run; None for nothing.

    `job` is what the run's cluster answered just now, or else what is known of a Job that is gone;
    None for no Job. `owner_lost` says that the lease of the run's scheduler is gone, so that nobody
    will come to submit it. `memory_limit` is the run's, to be named where it was exceeded; empty
    when not known.
    """
    if run.stage is Stage.NEW:
        return _decide_new(run, now, thresholds)
    if job is not None:
        return _decide_by_verdict(run, job, judge(job, now, thresholds.patience, memory_limit))
    if run.stage is Stage.BUFFERED:
        late = now - run.received_at >= thresholds.late_after
        return Submit(owner_lost) if late or owner_lost else None
    return GiveUp(job_is_gone()) if is_jobless(run, now, thresholds) else None


def is_jobless(run: OpenRun, now: datetime, thresholds: Thresholds) -> bool:
    """Tell whether a run without a Job should have had one for long enough."""
    is_late = now - run.last_modified >= thresholds.job_missing_grace
    return run.stage is Stage.RUNNING and is_late


def is_mass_loss(lost: int, found: int) -> bool:
    """Tell whether so many runs are without a Job that the list of Jobs is to be doubted.

    `found` open runs have theirs.
    """
    return lost >= _MANY and lost > found


def is_straggler(
    job: JobStatus, checkpoint: Checkpoint | None, now: datetime, thresholds: Thresholds
) -> bool:
    """Tell whether a Job is to be deleted because its run has finished without it.

    A Job of no known run is left alone: it may belong to another Nexus with its own store. So is
    one that has ended: its cluster removes it in time, and until then people may look at it.
    """
    return (
        job.phase is JobPhase.ACTIVE
        and job.deleted_at is None
        and checkpoint is not None
        and checkpoint.lifecycle_stage.finished
        and now - checkpoint.last_modified >= thresholds.straggler_grace
    )


def _decide_new(run: OpenRun, now: datetime, thresholds: Thresholds) -> Settle | None:
    # Only the Go implementation writes NEW; it keeps the payload in memory until it is stored.
    if now - run.received_at < thresholds.new_expires_after:
        return None
    return Settle(
        Verdict(
            stage=Stage.SCHEDULING_FAILED,
            cause="The payload of the run was not stored: please send the request again.",
        )
    )


def _decide_by_verdict(run: OpenRun, job: JobStatus, verdict: Verdict | None) -> Action | None:
    if verdict is not None and verdict.stage.finished:
        goes_unended = job.phase is JobPhase.ACTIVE and job.deleted_at is not None
        return GiveUp(verdict) if goes_unended else Settle(verdict)
    # RUNNING means that the Job was created; whether its container has started is not asked.
    if run.stage is Stage.BUFFERED:
        return MarkRunning(job.uid, job.created_at)
    return None
