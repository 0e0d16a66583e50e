"""What a follower knows of runs, and what each new state of an object tells beside that. Pure.

Jobs, pods and events come by watches of their own, in no order among each other. A pod is told of
once its Job is known; an event once its object is. Each thing is told once, however often a state
or an event says it.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator

import msgspec

from nexus_core.adapters.kubernetes.objects import ObjectName
from nexus_core.adapters.kubernetes.runs import Event, Job, Pod, run_of
from nexus_core.adapters.kubernetes.statuses import (
    Ending,
    end_of,
    ended_last,
    ending_of,
    event_observation,
    job_end,
    pod_story,
    started_at,
)
from nexus_core.domain.names import RunKey, is_request_id
from nexus_core.domain.observation import ObjectKind, Observation

# Jobs that events tell of and that have not been seen: they come within moments, or are long gone.
_PARKED = 1000

Told = tuple[str, str, str]
"""What is told once: the object's uid, the reason, and what tells two of them apart."""


class KnownRun(msgspec.Struct, kw_only=True):
    """A Job that exists, with its pods."""

    key: RunKey
    job: Job
    pods: dict[str, Pod]
    """By uid; those that are gone stay, since their ends explain the Job's."""
    told: set[Told]


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
        run = self._runs.get(job.metadata.name)
        if end is None or end.reason == "DeadlineExceeded":
            return False
        pods = [*run.pods.values()] if run else []
        pods += self._pods.get(job.metadata.name, {}).values()
        return ended_last(pods) is None and not self._is_told(run, job)

    def job_applied(self, job: Job) -> list[Observation]:
        """Take up the state of a Job; return what is new in it, its pods' news first."""
        name = job.metadata.name
        key = run_of(job.metadata)
        if key is None:
            return []
        run = self._runs.get(name)
        if run is None or run.job.metadata.uid != job.metadata.uid:
            run = KnownRun(key=key, job=job, pods={}, told=set())
            self._runs[name] = run
        run.job = job
        news = []
        for pod in self._pods.pop(name, {}).values():
            if _belongs(pod, job):
                news += self._pod_news(run, pod)
        news += self._parked_news(run)
        ending = self._ending(run)
        if (end := job_end(job, key, ending)) is not None:
            news += _untold(run, [end], job.metadata.uid)
        return news

    def job_deleted(self, name: ObjectName) -> None:
        """Forget a Job: of a run without one, nothing is told."""
        self._runs.pop(name.name, None)

    def pod_applied(self, pod: Pod) -> list[Observation]:
        """Take up the state of a pod; return what is new in it."""
        run = self._runs.get(pod.job_name)
        if run is None:
            self._pods.setdefault(pod.job_name, {})[pod.metadata.uid] = pod
            return []
        if not _belongs(pod, run.job):
            return []
        return self._pod_news(run, pod)

    def pod_deleted(self, name: ObjectName) -> None:
        """Forget a pod that waits for its Job. One of a known Job may explain that one's end."""
        job_name, _, _ = name.name.rpartition("-")
        waiting = self._pods.get(job_name, {})
        for uid in [uid for uid, pod in waiting.items() if pod.metadata.name == name.name]:
            del waiting[uid]
        if not waiting:
            self._pods.pop(job_name, None)

    def event_applied(self, event: Event) -> list[Observation]:
        """Take up an event; return what it tells that was not told."""
        name = _job_of(event)
        run = self._runs.get(name)
        if run is not None:
            return self._event_news(run, event)
        if is_request_id(name):
            self._events.setdefault(name, {})[event.metadata.uid] = event
            if len(self._events) > _PARKED:
                self._events.popitem(last=False)
        return []

    def _pod_news(self, run: KnownRun, pod: Pod) -> list[Observation]:
        uid = pod.metadata.uid
        run.pods[uid] = pod
        return _untold(run, pod_story(pod, run.key, run.job.metadata.uid), uid)

    def _event_news(self, run: KnownRun, event: Event) -> list[Observation]:
        seen = event_observation(event, run.key, run.job.metadata.uid)
        if seen is None or _is_outdated(run, event):
            return []
        return _untold(run, [seen], event.involved_object.uid)

    def _parked_news(self, run: KnownRun) -> list[Observation]:
        parked = self._events.pop(run.job.metadata.name, {})
        return [seen for event in parked.values() for seen in self._event_news(run, event)]

    def _ending(self, run: KnownRun) -> Ending | None:
        return ended_last(run.pods.values())

    def _is_told(self, run: KnownRun | None, job: Job) -> bool:
        uid = job.metadata.uid
        return run is not None and any(told[0] == uid for told in run.told)


def _untold(run: KnownRun, story: Iterable[Observation], uid: str) -> list[Observation]:
    return list(_new(run, story, uid))


def _new(run: KnownRun, story: Iterable[Observation], uid: str) -> Iterator[Observation]:
    """Go through what was not told of an object, and note that it is now."""
    for seen in story:
        # A container starts and ends once a try; a pod that can't start says so again and again.
        again = "" if seen.reason in {"Failed", "BackOff"} else seen.at.isoformat()
        told = (uid, seen.reason, again)
        if told not in run.told:
            run.told.add(told)
            yield seen


def _belongs(pod: Pod, job: Job) -> bool:
    """Tell whether a pod is this Job's, and not that of an earlier one of the same name."""
    owners = [owner.uid for owner in pod.metadata.owner_references if owner.kind == "Job"]
    return not owners or job.metadata.uid in owners


def _job_of(event: Event) -> str:
    """Return the name of the Job that an event is about: pods are named after theirs."""
    involved = event.involved_object
    if involved.kind == ObjectKind.POD:
        return involved.name.rpartition("-")[0]
    return involved.name


def _is_outdated(run: KnownRun, event: Event) -> bool:
    """Tell whether what an event complains of has passed, or was another Job's."""
    involved = event.involved_object
    if involved.kind == ObjectKind.JOB:
        # A quota that was exhausted for a moment, say: the pods came after all.
        return bool(run.pods) or involved.uid not in {"", run.job.metadata.uid}
    pod = run.pods.get(involved.uid)
    if pod is None or event.at is None:
        return False
    if ending_of(pod) is not None:
        return True
    start = started_at(pod)
    return start is not None and start >= event.at
