"""The third stretch: what happened to a run's Job and its pods."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType

import msgspec

from nexus_core.domain.checkpoint import Checkpoint
from nexus_core.domain.journal import RunEvent, RunEventKind
from nexus_core.domain.run_events import COMPLETED
from nexus_core.domain.stages import Stage
from nexus_core.domain.story import advice
from nexus_core.domain.story.facts import Facts, Step, What
from nexus_core.domain.story.words import ordinal
from nexus_core.domain.troubles import NEVER_RAN, OUT_OF_MEMORY

# 128 + SIGKILL, 128 + SIGTERM: somebody ended it.
_KILLED = ("exit code 137", "exit code 143")

# Clusters tell whole seconds, so that what came after an end may seem to have come before it.
_SECOND = timedelta(seconds=1)


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """An event with what its sentence needs."""

    event: RunEvent
    run: Checkpoint
    attempt: int
    """Which of the run's pods it happened to, from 1; 0 for its Job."""
    attempts: int
    """How many pods are known."""

    @property
    def pod(self) -> str:
        """Name the pod."""
        return "Its pod" if self.attempts == 1 else f"The pod of its {ordinal(self.attempt)} try"

    @property
    def algorithm(self) -> str:
        """Name what runs in it."""
        return "The algorithm" if self.attempts == 1 else f"Its {ordinal(self.attempt)} try"


Teller = Callable[[Told], Step]


def told_events(facts: Facts) -> list[tuple[RunEvent, Step]]:
    """Return the events that belong to the story, each with its step; oldest first."""
    events = sorted(_of_the_story(facts), key=_moment)
    pods = list(dict.fromkeys(event.subject for event in events if event.subject))
    attempts = {name: number for number, name in enumerate(pods, 1)}
    told = []
    for place, event in enumerate(events):
        attempt = attempts.get(event.subject, 0)
        about = Told(event=event, run=facts.checkpoint, attempt=attempt, attempts=len(pods))
        step = _TELLERS[event.kind](about)
        if step.advice and _was_overcome(event, events[place + 1 :]):
            step = msgspec.structs.replace(step, advice="")
        told.append((event, step))
    return told


def _was_overcome(trouble: RunEvent, later: Sequence[RunEvent]) -> bool:
    """Tell whether a trouble passed, so that nothing is to be done about it."""
    proof = _OVERCOME_BY.get(trouble.kind)
    return any(event.kind is proof and trouble.subject in {"", event.subject} for event in later)


def _of_the_story(facts: Facts) -> Iterator[RunEvent]:
    """Go through what happened on the run's way, without what came of its end."""
    run = facts.checkpoint
    disrupted = {e.subject for e in facts.events if e.kind is RunEventKind.DISRUPTED}
    finished = run.lifecycle_stage.finished
    ended_by_report = run.lifecycle_stage in {Stage.COMPLETED, Stage.CANCELLED}
    for event in facts.events:
        if event.kind not in _TELLERS:
            continue
        if event.kind is RunEventKind.ENDED and event.subject in disrupted:
            continue  # that is how it ended
        came_after = finished and event.at >= run.last_modified - _SECOND
        if came_after and event.kind is RunEventKind.JOB_DELETED:
            continue  # Nexus deletes Jobs of runs that have ended
        if came_after and ended_by_report and event.kind in _ENDS:
            continue
        yield event


def _moment(event: RunEvent) -> tuple[datetime, int]:
    return event.at, _ORDER[event.kind]


def _plain(what: What, sentence: str, advise: Callable[[Checkpoint], str] = lambda _: "") -> Teller:
    """Return what tells an event by one sentence, with the event's own words as details."""

    def tell(told: Told) -> Step:
        return Step(
            at=told.event.at,
            what=what,
            sentence=sentence.format(
                pod=told.pod,
                algorithm=told.algorithm,
                reason=told.event.reason,
                image=advice.image_name(told.run),
            ),
            details=told.event.message,
            advice=advise(told.run),
        )

    return tell


def _scheduled(told: Told) -> Step:
    # The cluster of one machine has no nodes to name.
    node = told.event.reason
    where = f"was given node '{node}'" if node else "was given its place"
    return Step(at=told.event.at, what=What.SCHEDULED, sentence=f"{told.pod} {where}.")


def _ended(told: Told) -> Step:
    event, run = told.event, told.run
    if event.reason in NEVER_RAN:
        return _not_run(told)
    code, _, words = event.message.partition(": ")
    if event.reason == OUT_OF_MEMORY:
        limit = advice.memory_limit(run)
        of = f" of {limit}" if limit else ""
        return Step(
            at=event.at,
            what=What.KILLED,
            sentence=f"{told.algorithm} was killed: it used more memory than its limit{of}.",
            details=f"{event.reason}, {event.message}",
            advice=advice.memory(run),
        )
    killed = code in _KILLED
    how = f"was killed ({code})" if killed else f"ended with {code}"
    return Step(
        at=event.at,
        what=What.KILLED if killed else What.ENDED,
        sentence=f"{told.algorithm} {how}.",
        details=words,
    )


def _not_run(told: Told) -> Step:
    event = told.event
    return Step(
        at=event.at,
        what=What.CONTAINER_NOT_CREATED,
        sentence=f"{told.pod} could not run its program.",
        details=event.message.partition(": ")[2] or event.message,
        advice=advice.CONTAINER,
    )


def _disrupted(told: Told) -> Step:
    event = told.event
    why = _DISRUPTIONS.get(event.reason, "was ended from outside")
    return Step(
        at=event.at,
        what=What.DISRUPTED,
        sentence=f"{told.pod} {why}; this does not count against its retries.",
        details=event.message or event.reason,
    )


def _job_ended(told: Told) -> Step:
    reason = told.event.reason
    how = "succeeded" if reason == COMPLETED else f"was ended by its cluster: {reason}"
    return Step(
        at=told.event.at,
        what=What.JOB_ENDED,
        sentence=f"Its Job {how}.",
        details=told.event.message,
    )


_DISRUPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "DeletionByPodGC": "was lost with its node",
        "DeletionByTaintManager": "had to leave its node, which is lost or tainted",
        "EvictionByEvictionAPI": "was evicted from its node",
        "PreemptionByScheduler": "had to make room for one of higher priority",
        "TerminationByKubelet": "was ended by its node, which shut down or lacked resources",
    }
)
"""Kubernetes' words for what ends a pod from outside."""

_TELLERS: Mapping[RunEventKind, Teller] = MappingProxyType(
    {
        RunEventKind.SUSPENDED: _plain(
            What.SUSPENDED,
            "Somebody suspended its Job: it has no pod until it goes on.",
            lambda _: advice.RESUME,
        ),
        RunEventKind.RESUMED: _plain(What.RESUMED, "Its Job went on."),
        RunEventKind.POD_REFUSED: _plain(
            What.POD_REFUSED, "The cluster refused to make a pod for it.", lambda _: advice.QUOTA
        ),
        RunEventKind.UNSCHEDULABLE: _plain(
            What.UNSCHEDULABLE, "{pod} was taken by no node.", lambda _: advice.NODES
        ),
        RunEventKind.SCHEDULED: _scheduled,
        RunEventKind.PULLING: _plain(What.PULLING, "{pod} waited for its image or its volumes."),
        RunEventKind.IMAGE_NOT_PULLED: _plain(
            What.IMAGE_NOT_PULLED, "{pod} did not get its image {image}.", advice.image
        ),
        RunEventKind.CONTAINER_NOT_CREATED: _plain(
            What.CONTAINER_NOT_CREATED,
            "{pod} could not make its container.",
            lambda _: advice.CONTAINER,
        ),
        RunEventKind.STARTED: _plain(What.STARTED, "{algorithm} started."),
        RunEventKind.ENDED: _ended,
        RunEventKind.BACKING_OFF: _plain(
            What.BACKING_OFF, "{algorithm} crashed, and waited for its next start.", advice.log
        ),
        RunEventKind.DISRUPTED: _disrupted,
        RunEventKind.JOB_ENDED: _job_ended,
        RunEventKind.JOB_DELETED: _plain(
            What.JOB_DELETED, "Somebody deleted its Job.", lambda _: advice.LOST_JOB
        ),
    }
)

_OVERCOME_BY = {
    RunEventKind.SUSPENDED: RunEventKind.RESUMED,
    RunEventKind.POD_REFUSED: RunEventKind.SCHEDULED,
    RunEventKind.UNSCHEDULABLE: RunEventKind.SCHEDULED,
    RunEventKind.IMAGE_NOT_PULLED: RunEventKind.STARTED,
    RunEventKind.CONTAINER_NOT_CREATED: RunEventKind.STARTED,
    RunEventKind.BACKING_OFF: RunEventKind.STARTED,
}

# Of what happened at the same time, as clusters tell it.
_ORDER = {kind: place for place, kind in enumerate(RunEventKind)}

# What comes of the end of a run that was ended by a report or a cancellation.
_ENDS = frozenset({RunEventKind.ENDED, RunEventKind.DISRUPTED, RunEventKind.JOB_ENDED})
