"""Putting a story together: its steps in order, and how things stand in a sentence."""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

from nexus_core.domain.journal import LaneState, RunEvent, RunEventKind
from nexus_core.domain.run_events import COMPLETED
from nexus_core.domain.stages import Stage
from nexus_core.domain.story import advice
from nexus_core.domain.story.arrival import arrival, is_dry_run
from nexus_core.domain.story.ending import ending
from nexus_core.domain.story.facts import Facts, Step, Story
from nexus_core.domain.story.job import told_events
from nexus_core.domain.story.queue import cluster_of, latest, submission, waiting
from nexus_core.domain.story.words import counted, rate, spoken

# A lane with runs is sampled every few seconds. One that was not for this long has nobody who
# works on it, or nobody who says so.
_SILENT = timedelta(seconds=30)


def tell(facts: Facts) -> Story:
    """Tell how a run came to where it is.

    Steps stand in the order in which they can only have happened, and by time within that: whole
    seconds of a cluster, and clocks of several machines, would have a pod start before its Job is
    made.
    """
    happened = told_events(facts)
    end = ending(facts)
    steps = [
        *arrival(facts),
        *waiting(facts),
        *submission(facts),
        *(step for _, step in happened),
    ]
    if end is not None:
        return _story(facts, _headline_of_end(facts, end), end.advice, [*steps, end])
    if facts.checkpoint.lifecycle_stage is Stage.RUNNING or happened:
        headline, advise = _headline_of_job(facts, happened)
    else:
        headline, advise = _headline_of_queue(facts)
    return _story(facts, headline, advise, steps)


def _story(facts: Facts, headline: str, advise: str, steps: list[Step]) -> Story:
    return Story(headline=headline, advice=advise, steps=tuple(steps), missing=facts.missing)


def _headline_of_end(facts: Facts, end: Step) -> str:
    run = facts.checkpoint
    if run.lifecycle_stage in _ENDS:
        return f"{_ENDS[run.lifecycle_stage]}: {end.sentence}"
    if run.lifecycle_stage is Stage.CANCELLED or is_dry_run(facts):
        return end.sentence
    took = spoken(run.last_modified - run.received_at)
    if run.sent_at is None:
        return f"It completed, {took} after it was accepted."
    waited = spoken(run.sent_at - run.received_at)
    return f"It completed, {took} after it was accepted; for {waited} it waited for its turn."


def _headline_of_queue(facts: Facts) -> tuple[str, str]:
    """Say what a run waits for that has no Job yet, and what the caller can do."""
    run, now = facts.checkpoint, latest(facts)
    if run.lifecycle_stage is Stage.NEW:
        return "Its payload is not stored yet.", ""
    if now is not None and now.state is LaneState.REFUSED:
        words = f": {now.reason}" if now.reason else ""
        return (
            f"It is held back: {cluster_of(facts)} refuses Jobs, or can't be reached{words}",
            advice.REFUSING,
        )
    if now is None and facts.now - run.received_at > _SILENT and not facts.missing:
        silent = f"It waits in the queue of scheduler '{run.received_by_host}', which is not heard"
        return f"{silent}. A supervisor submits runs that wait for too long.", ""
    return _turn(facts, now.rate if now else 0.0), ""


def _turn(facts: Facts, per_second: float) -> str:
    ahead = facts.ahead
    if ahead is None:
        return f"It waits for its turn at {cluster_of(facts)}."
    if not ahead.runs:
        return f"It is the next to be submitted to {cluster_of(facts)}."
    many = "More than " if ahead.or_more else ""
    are = "is" if ahead.runs == 1 and not ahead.or_more else "are"
    stand = f"{many}{counted(ahead.runs, 'run')} {are} ahead of it"
    if not per_second:
        return f"{stand}."
    wait = spoken(timedelta(seconds=ahead.runs / per_second))
    least = "at least " if ahead.or_more else ""
    return f"{stand}; at {rate(per_second)}, its turn comes in {least}{wait}."


def _headline_of_job(facts: Facts, happened: list[tuple[RunEvent, Step]]) -> tuple[str, str]:
    """Say what a run's Job does, by what happened last."""
    if not happened:
        since = facts.checkpoint.sent_at or facts.checkpoint.last_modified
        return f"Its Job is {spoken(facts.now - since)} old; nothing is known of its pod yet.", ""
    event, step = happened[-1]
    time = spoken(facts.now - event.at)
    if event.kind is RunEventKind.ENDED and event.reason != COMPLETED:
        return f"{step.sentence} Its cluster decides whether there is another try.", step.advice
    # A Job that succeeded says no more than its container.
    kind = RunEventKind.ENDED if event.reason == COMPLETED else event.kind
    standing = _STANDINGS.get(kind)
    return standing.format(time=time) if standing else step.sentence, step.advice


# How a run stands whose Job or pod came to this last.
_STANDINGS: Mapping[RunEventKind, str] = MappingProxyType(
    {
        RunEventKind.SUSPENDED: "Its Job has been suspended for {time}.",
        RunEventKind.RESUMED: "Its Job has gone on for {time}, and has no pod yet.",
        RunEventKind.UNSCHEDULABLE: "No node has taken its pod for {time}.",
        RunEventKind.SCHEDULED: "Its pod has had a node for {time}, and starts there.",
        RunEventKind.PULLING: "Its pod has waited for its image or its volumes for {time}.",
        RunEventKind.IMAGE_NOT_PULLED: "Its image could not be pulled for {time}.",
        RunEventKind.STARTED: "The algorithm has been running for {time}.",
        RunEventKind.ENDED: "The algorithm ended {time} ago; its result is not reported yet.",
        RunEventKind.BACKING_OFF: "The algorithm crashed {time} ago, and waits for its next start.",
        RunEventKind.JOB_ENDED: "Its Job ended {time} ago; the run is settled within moments.",
        RunEventKind.JOB_DELETED: "Somebody deleted its Job {time} ago.",
    }
)

_ENDS = {
    Stage.FAILED: "It failed",
    Stage.SCHEDULING_FAILED: "It never ran",
    Stage.DEADLINE_EXCEEDED: "It did not finish",
}
