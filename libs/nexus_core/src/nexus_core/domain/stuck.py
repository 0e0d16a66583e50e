"""Why a Job that is active will not come to anything, by the state of its current pod."""

import re
from datetime import datetime, timedelta

from nexus_core.domain.endings import NOT_STARTED, crashed, never_ran, not_started
from nexus_core.domain.observation import JobStatus, PodPhase, PodStatus, Trouble
from nexus_core.domain.stages import Stage
from nexus_core.domain.troubles import NO_RETRY_MENDS, Family, family_of
from nexus_core.domain.verdicts import Patience, Verdict, never_came_to_run

_QUOTA = re.compile(r"exceeded quota|status unknown for quota")

# Somebody holds the pod back on purpose, as queues in a cluster do, and lets it go in time.
_HELD_BACK = "SchedulingGated"

# The longest that a Job's controller waits between two tries, in which a Job has no pod.
_LONGEST_BACK_OFF = timedelta(minutes=10)

_ENDED = frozenset({PodPhase.SUCCEEDED, PodPhase.FAILED})

_NO_IMAGE = (
    "The image of the algorithm could not be pulled: check its name, its tag, and the access to "
    "its registry."
)
_NO_NODE = (
    "No node of the cluster could take the run: check what it asks for, and the affinity and "
    "tolerations of its workgroup."
)
_NOT_PREPARED = (
    "The volumes or the network of the run's pod could not be set up: check the config maps, "
    "secrets and claims that its template mounts."
)
_REFUSED = (
    "The cluster refused to create a pod for the run: check its quotas and the configuration of "
    "the template."
)
_NO_OTHER_POD = (
    "The cluster did not make another pod for the run after one had ended: check its quotas."
)


def stuck(
    status: JobStatus, now: datetime, patience: Patience, memory_limit: str
) -> Verdict | None:
    """Return the end of a run whose Job is active in vain; None when it may still come to run.

    A pod that was disrupted, or whose node is not heard, is never held against the run: the Job's
    controller makes another one, and does not count it.
    """
    pod = status.pods[-1] if status.pods else None
    if pod is not None and never_ran(pod):
        return not_started(pod)
    if pod is None or pod.phase in _ENDED:
        return _podless(status, now, patience)
    if pod.deleted_at is not None or pod.disruption is not None or pod.phase is PodPhase.UNKNOWN:
        return None
    if pod.waiting is not None and family_of(pod.waiting.reason) is Family.CRASH:
        return crashed(status, pod.waiting.message, memory_limit)
    return _not_begun(pod, now, patience)


def _not_begun(pod: PodStatus, now: datetime, patience: Patience) -> Verdict | None:
    if pod.unschedulable is not None and pod.unschedulable.reason != _HELD_BACK:
        return _after(patience.unschedulable, pod.unschedulable, now, _NO_NODE)
    if pod.waiting is not None and (family := family_of(pod.waiting.reason)) is not None:
        return _waits_in_vain(pod.waiting, family, now, patience)
    if pod.unprepared is not None:
        return _after(patience.preparation, pod.unprepared, now, _NOT_PREPARED)
    return None


def _podless(status: JobStatus, now: datetime, patience: Patience) -> Verdict | None:
    """Judge a Job that has no pod now: it is refused one, or waits between two tries."""
    if status.attended_at is None:
        return None  # its cluster has more Jobs than it can begin with at once
    if status.pods:
        return _not_tried_again(status, status.attended_at, now, patience)
    refused = status.refused
    words = refused.message if refused is not None else ""
    # Quotas free up. Admission rules seldom change their minds.
    final = refused is not None and not _QUOTA.search(words)
    if final and refused is not None and _has_lasted(patience.container, refused, now):
        return never_came_to_run(_REFUSED, words)
    overdue = now - status.attended_at >= patience.pod_creation
    return never_came_to_run(_REFUSED, words) if overdue else None


def _not_tried_again(
    status: JobStatus, attended_at: datetime, now: datetime, patience: Patience
) -> Verdict | None:
    since = max(attended_at, *(_end_of(pod) for pod in status.pods))
    if now - since < patience.pod_creation + _LONGEST_BACK_OFF:
        return None
    return Verdict(
        stage=Stage.FAILED,
        cause=_NO_OTHER_POD,
        details=status.refused.message if status.refused else "",
        delete_job=True,
    )


def _end_of(pod: PodStatus) -> datetime:
    return pod.ending.at if pod.ending else pod.created_at


def _waits_in_vain(
    waiting: Trouble, family: Family, now: datetime, patience: Patience
) -> Verdict | None:
    if family is Family.CONTAINER:
        return _after(patience.container, waiting, now, NOT_STARTED)
    if waiting.reason in NO_RETRY_MENDS:
        return never_came_to_run(_NO_IMAGE, _words(waiting))
    return _after(patience.image, waiting, now, _NO_IMAGE)


def _after(patience: timedelta, trouble: Trouble, now: datetime, cause: str) -> Verdict | None:
    if not _has_lasted(patience, trouble, now):
        return None
    return never_came_to_run(cause, _words(trouble))


def _has_lasted(patience: timedelta, trouble: Trouble, now: datetime) -> bool:
    """Tell whether something is amiss for so long; what has no known beginning is not."""
    return trouble.since is not None and now - trouble.since >= patience


def _words(trouble: Trouble) -> str:
    return trouble.message or trouble.reason
