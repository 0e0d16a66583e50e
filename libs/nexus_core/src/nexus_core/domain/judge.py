"""What the state of a Job and its pods means for a run: one function, whoever saw the state.

It goes by the state alone. Events add since when something is amiss and say it in more words; so
one that is missed, doubled or late changes when a verdict is reached and how it is put in details,
never the stage or the cause.
"""

from datetime import datetime

from msgspec.structs import replace

from nexus_core.domain.endings import failed, silent
from nexus_core.domain.observation import JobPhase, JobStatus
from nexus_core.domain.stages import Stage
from nexus_core.domain.stuck import stuck
from nexus_core.domain.verdicts import Patience, Verdict, job_is_gone


def judge(
    status: JobStatus, now: datetime, patience: Patience, memory_limit: str = ""
) -> Verdict | None:
    """Return what the state of a Job means for its run; None when it means nothing yet.

    A Job that succeeded says nothing by itself, since the run's result is what its algorithm
    reports: only once a grace has passed does the silence count. One that is suspended neither
    fails nor is late, however long. `memory_limit` is the run's, to be named where it was exceeded;
    empty when not known.
    """
    verdict = _meaning(status, now, patience, memory_limit)
    if verdict is not None and now - status.created_at < patience.name:
        return replace(verdict, delete_job=False)
    return verdict


def _meaning(
    status: JobStatus, now: datetime, patience: Patience, memory_limit: str
) -> Verdict | None:
    if status.phase is JobPhase.FAILED:
        return failed(status, memory_limit)
    if status.phase is JobPhase.SUCCEEDED:
        return silent(status, now, patience.completion, memory_limit)
    if status.deleted_at is not None:
        return job_is_gone(status) if now - status.deleted_at >= patience.deletion else None
    if status.suspended is None and (vain := stuck(status, now, patience, memory_limit)):
        return vain
    return Verdict(stage=Stage.RUNNING) if status.started else None
