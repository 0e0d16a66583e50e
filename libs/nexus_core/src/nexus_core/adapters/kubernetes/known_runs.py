"""What a follower knows of runs: of each a Job, its pods, and what was complained of them. Pure.

Jobs, pods and events come by watches of their own, in no order among each other. A pod waits for
its Job, an event for the Job that it is about. Each state is told once, however often it comes.
"""

from collections import OrderedDict
from datetime import datetime

import msgspec

from nexus_core.adapters.kubernetes.complaints import Complaints
from nexus_core.adapters.kubernetes.objects import ObjectName
from nexus_core.adapters.kubernetes.pod_states import ending_of
from nexus_core.adapters.kubernetes.runs import Event, Job, Pod
from nexus_core.adapters.kubernetes.statuses import end_of, job_status
from nexus_core.domain.names import is_request_id
from nexus_core.domain.observation import ContainerEnding, JobStatus

# Jobs that events tell of and that have not been seen: they come within moments, or are long gone.
_PARKED = 1000


class KnownRun(msgspec.Struct, kw_only=True):
    """A Job that exists, with its pods."""

    job: Job
    pods: dict[str, Pod] = {}
    """By uid."""
    gone: list[ContainerEnding] = []
    """How the pods ended that are gone."""
    complaints: Complaints = msgspec.field(default_factory=Complaints)
    told: JobStatus | None = None


class KnownRuns:
    """All runs that have a Job, by the Job's name."""

    def __init__(self) -> None:
        self._runs: dict[str, KnownRun] = {}
        # By the name of the Job that they wait for, and by uid.
        self._pods: dict[str, dict[str, Pod]] = {}
        self._events: OrderedDict[str, dict[str, Event]] = OrderedDict()

    def lacks_pods(self, job: Job) -> bool:
        """Tell whether a Job has ended, and no pod seen so far says how.

        The Job's controller has seen it; only our own watch of pods may be behind.
        """
        end = end_of(job)
        if end is None or end.reason == "DeadlineExceeded":
            return False
        run = self._known(job)
        pods = [*run.pods.values()] if run else []
        pods += self._pods.get(job.metadata.name, {}).values()
        told_of_its_end = run is not None and end_of(run.job) is not None
        if told_of_its_end or (run is not None and run.gone):
            return False
        return all(ending_of(pod) is None for pod in pods)

    def job_applied(self, job: Job) -> JobStatus | None:
        """Take up the state of a Job; return its status, if that is news."""
        name = job.metadata.name
        run = self._known(job)
        if run is None:
            run = KnownRun(job=job)
            self._runs[name] = run
        run.job = job
        for pod in self._pods.pop(name, {}).values():
            _take_up(run, pod)
        for event in self._events.pop(name, {}).values():
            run.complaints.hear(event)
        return _news(run)

    def job_deleted(self, name: ObjectName, now: datetime) -> JobStatus | None:
        """Forget a Job; return the last that was known of it."""
        run = self._runs.pop(name.name, None)
        if run is None:
            return None
        last = _status(run)
        if last is None or last.deleted_at is not None:
            # It was told of when its deletion began, and that is when it counts from.
            return last if last != run.told else None
        return msgspec.structs.replace(last, deleted_at=now)

    def pod_applied(self, pod: Pod) -> JobStatus | None:
        """Take up the state of a pod; return the status of its Job, if that is news."""
        run = self._runs.get(pod.job_name)
        if run is None:
            self._pods.setdefault(pod.job_name, {})[pod.metadata.uid] = pod
            return None
        return _news(run) if _take_up(run, pod) else None

    def pod_deleted(self, name: ObjectName) -> JobStatus | None:
        """Forget a pod, but for how it ended; return the status of its Job, if that is news."""
        job_name, _, _ = name.name.rpartition("-")
        run = self._runs.get(job_name)
        pods = run.pods if run else self._pods.get(job_name, {})
        for uid in [uid for uid, pod in pods.items() if pod.metadata.name == name.name]:
            ending = ending_of(pods.pop(uid))
            if run is not None and ending is not None:
                run.gone.append(ending)
        if run is not None:
            return _news(run)
        if not pods:
            self._pods.pop(job_name, None)
        return None

    def event_applied(self, event: Event) -> JobStatus | None:
        """Take up an event; return the status of the Job that it is about, if that is news."""
        name = _job_of(event)
        run = self._runs.get(name)
        if run is not None:
            return _news(run) if run.complaints.hear(event) else None
        if is_request_id(name):
            self._events.setdefault(name, {})[event.metadata.uid] = event
            if len(self._events) > _PARKED:
                self._events.popitem(last=False)
        return None

    def _known(self, job: Job) -> KnownRun | None:
        """Return what is known of a Job, and not of an earlier one of the same name."""
        run = self._runs.get(job.metadata.name)
        return run if run and run.job.metadata.uid == job.metadata.uid else None


def _take_up(run: KnownRun, pod: Pod) -> bool:
    """Add a pod to its run; not that of an earlier Job of the same name."""
    owners = [owner.uid for owner in pod.metadata.owner_references if owner.kind == "Job"]
    if owners and run.job.metadata.uid not in owners:
        return False
    run.pods[pod.metadata.uid] = pod
    return True


def _status(run: KnownRun) -> JobStatus | None:
    return job_status(run.job, run.pods.values(), run.complaints, run.gone)


def _news(run: KnownRun) -> JobStatus | None:
    """Return the status of a Job, and note that it is told; None when it was told just so."""
    status = _status(run)
    if status == run.told:
        return None
    run.told = status
    return status


def _job_of(event: Event) -> str:
    """Return the name of the Job that an event is about: pods are named after theirs."""
    involved = event.involved_object
    if involved.kind == "Pod":
        return involved.name.rpartition("-")[0]
    return involved.name
