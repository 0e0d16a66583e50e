"""What a judgement takes and gives: patience, and a verdict with a sentence for the caller."""

from datetime import timedelta

import msgspec

from nexus_core.domain.observation import JobStatus
from nexus_core.domain.stages import Stage


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long the state of a Job may be such that it does not go on by itself."""

    image: timedelta = timedelta(seconds=45)
    """After the first failure to pull an image: a kubelet has tried it three times, at 0, 10, 30 s.

    Counted from there, since a large image may be pulled for minutes before.
    """
    container: timedelta = timedelta(seconds=30)
    """After the first failure to make a container: its secret may come a moment later."""
    unschedulable: timedelta = timedelta(minutes=30)
    """After a scheduler first found no node: clusters grow, and other pods end."""
    preparation: timedelta = timedelta(minutes=5)
    """After a node took a pod whose volumes and network are not there yet."""
    pod_creation: timedelta = timedelta(minutes=10)
    """After a cluster began with a Job that has no pod: others may give back what quotas allow."""
    completion: timedelta = timedelta(seconds=60)
    """After a Job succeeded without a result having been reported.

    Published clients retry a completion for 25 s; beyond the Job's 300 s there is no Job to judge.
    """
    deletion: timedelta = timedelta(seconds=60)
    """After somebody deleted a Job: its algorithm may report yet, while its pods end."""
    name: timedelta = timedelta(seconds=30)
    """After a Job was made, in which no verdict deletes it.

    While it is there its name is taken: a scheduler that looked at the run before, and is slow to
    send, finds this Job and makes no second one. Longer than a request is on its way. A Job that
    has ended by then goes by its own time to live, one that goes on as a straggler.
    """

    @property
    def shortest(self) -> timedelta:
        """The age below which nothing is overdue."""
        return min(
            self.image,
            self.container,
            self.unschedulable,
            self.preparation,
            self.pod_creation,
            self.completion,
            self.deletion,
        )


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The stage that a run is to be brought to, why, and whether its Job is to go."""

    stage: Stage
    cause: str = ""
    """A sentence for the caller."""
    details: str = ""
    """The cluster's own words."""
    delete_job: bool = False


def never_came_to_run(cause: str, details: str) -> Verdict:
    """Return the end of a run whose algorithm was never started, and will not be."""
    return Verdict(stage=Stage.SCHEDULING_FAILED, cause=cause, details=details, delete_job=True)


def job_is_gone(last: JobStatus | None = None) -> Verdict:
    """Return what it means that a run which was started has no Job any more.

    `last` is what was seen of the Job before it went, if it had not ended then.
    """
    details = ""
    if last is not None and last.deleted_at is not None:
        # How its container ended is not how its Job did: another try may have been to come.
        details = f"Deleted at {last.deleted_at:%Y-%m-%dT%H:%M:%SZ}, before it had ended."
    return Verdict(
        stage=Stage.FAILED,
        cause="The run's Job is gone from its cluster, and no result was reported.",
        details=details,
    )


def job_is_unusable(why: str) -> Verdict:
    """Return what it means that no Job can be made of what is stored of a run."""
    return Verdict(
        stage=Stage.SCHEDULING_FAILED,
        cause="The stored Job of the run can't be used: please send the request again.",
        details=why,
    )


def job_is_not_stored() -> Verdict:
    """Return what it means that a run waits for its turn, and the Job to be made is not stored."""
    return Verdict(
        stage=Stage.SCHEDULING_FAILED,
        cause="The Job of the run is not stored any more: please send the request again.",
    )
