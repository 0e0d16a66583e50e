"""The second stretch: a run waits for its turn at its cluster, and is submitted."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import msgspec

from nexus_core.domain.journal import LaneSample, LaneState, RunEvent, RunEventKind
from nexus_core.domain.run_events import LATE, OWNER_GONE
from nexus_core.domain.stages import Stage
from nexus_core.domain.story import advice
from nexus_core.domain.story.facts import Facts, Step, What
from nexus_core.domain.story.words import counted, rate, spoken

# A turn that comes sooner is nothing to tell of.
_NOTICED = timedelta(seconds=2)

# More changes than this between refusing and taking are told as one stretch each.
_MOST_STRETCHES = 8

# Samples of a lane that has runs come every few seconds; one this old says nothing about now.
_FRESH = timedelta(seconds=20)


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """A time during which the same kept runs back."""

    state: LaneState
    reason: str
    began: datetime
    ended: datetime
    depth: int
    """The most runs that waited."""
    rate: float
    """The most Jobs a second that were sent."""

    @property
    def length(self) -> timedelta:
        """How long it lasted."""
        return self.ended - self.began


def waiting(facts: Facts) -> Iterator[Step]:
    """Tell what held a run back, until it was submitted, ended, or until now."""
    since, until = facts.checkpoint.received_at, _left_the_queue(facts)
    found = stretches(facts.samples, until)
    if not found or until - since < _NOTICED:
        return
    if found[0].began - since <= _FRESH:
        found[0] = msgspec.structs.replace(found[0], began=since)
    if len(found) > _MOST_STRETCHES:
        yield from _summary(facts, found)
        return
    for stretch in found:
        lasts = is_open(facts) and stretch.ended == until
        if stretch.state is LaneState.REFUSED:
            yield _held_back(facts, stretch, lasts=lasts)
        elif stretch.depth:
            yield _waited(stretch, lasts=lasts)


def submission(facts: Facts) -> Iterator[Step]:
    """Tell how a run's Job came into being."""
    for event in facts.events:
        if event.kind is RunEventKind.SUBMITTED_AHEAD:
            yield _submitted_ahead(event)
    run = facts.checkpoint
    if run.sent_at is not None:
        wait = spoken(run.sent_at - run.received_at)
        sentence = f"Its Job was created in {cluster_of(facts)}, {wait} after it was accepted."
        yield Step(at=run.sent_at, what=What.SUBMITTED, sentence=sentence)
    elif run.lifecycle_stage is Stage.RUNNING or run.job_uid:
        sentence = f"Its Job was created in {cluster_of(facts)}."
        yield Step(at=run.last_modified, what=What.SUBMITTED, sentence=sentence)


def is_open(facts: Facts) -> bool:
    """Tell whether a run still waits for its turn."""
    return facts.checkpoint.lifecycle_stage in {Stage.NEW, Stage.BUFFERED}


def cluster_of(facts: Facts) -> str:
    """Name a run's cluster."""
    return f"cluster '{facts.cluster}'" if facts.cluster else "its cluster"


def latest(facts: Facts) -> LaneSample | None:
    """Return the sample that says how a run's queue stands now; None where none does."""
    newest = facts.samples[-1] if facts.samples else None
    return newest if newest and facts.now - newest.at <= _FRESH else None


def stretches(samples: Sequence[LaneSample], until: datetime) -> list[Stretch]:
    """Join samples of the same state, each up to the next one; the last up to `until`."""
    found: list[Stretch] = []
    ends = [*(sample.at for sample in samples[1:]), until]
    # Without samples there is an end too many.
    for sample, following in zip(samples, ends, strict=False):
        # A lane that was empty, or a scheduler that was away, leaves a gap: nothing is known of it.
        end = max(sample.at, min(following, sample.at + _FRESH))
        last = found[-1] if found else None
        if last and (last.state, last.ended) == (sample.state, sample.at):
            found[-1] = _longer(last, sample, end)
        else:
            found.append(
                Stretch(
                    state=sample.state,
                    reason=sample.reason,
                    began=sample.at,
                    ended=end,
                    depth=sample.depth,
                    rate=sample.rate,
                )
            )
    return found


def _longer(stretch: Stretch, sample: LaneSample, end: datetime) -> Stretch:
    return msgspec.structs.replace(
        stretch,
        ended=end,
        # The newest words: those before may have been of the first shock.
        reason=sample.reason or stretch.reason,
        depth=max(stretch.depth, sample.depth),
        rate=max(stretch.rate, sample.rate),
    )


def _left_the_queue(facts: Facts) -> datetime:
    run = facts.checkpoint
    if run.sent_at is not None:
        return run.sent_at
    return facts.now if is_open(facts) else run.last_modified


def _held_back(facts: Facts, stretch: Stretch, *, lasts: bool) -> Step:
    name = cluster_of(facts)
    return Step(
        at=stretch.began,
        what=What.HELD_BACK,
        sentence=f"Held back: {name} refuses Jobs, or can't be reached."
        if lasts
        else f"Held back for {spoken(stretch.length)}: {name} refused Jobs, or was not reached.",
        details=stretch.reason,
        advice=advice.REFUSING if lasts else "",
    )


def _waited(stretch: Stretch, *, lasts: bool = False) -> Step:
    runs, speed = counted(stretch.depth, "run"), rate(stretch.rate)
    return Step(
        at=stretch.began,
        what=What.WAITED,
        sentence=f"Waits for its turn: up to {runs} waited, and at most {speed} are submitted."
        if lasts
        else f"Waited for its turn for {spoken(stretch.length)}: up to {runs} waited, and at most "
        f"{speed} were submitted.",
    )


def _summary(facts: Facts, found: Sequence[Stretch]) -> Iterator[Step]:
    refusals = [stretch for stretch in found if stretch.state is LaneState.REFUSED]
    waits = [stretch for stretch in found if stretch.state is not LaneState.REFUSED]
    if waits:
        yield _waited(_joined(waits))
    if refusals:
        together = _joined(refusals)
        yield Step(
            at=together.began,
            what=What.HELD_BACK,
            sentence=f"Held back {len(refusals)} times, for {spoken(together.length)} in all: "
            f"{cluster_of(facts)} refused Jobs, or was not reached.",
            details=together.reason,
        )


def _joined(found: Sequence[Stretch]) -> Stretch:
    """Put stretches of one state together; the length is theirs, without the gaps."""
    length = sum((stretch.length for stretch in found), timedelta())
    return msgspec.structs.replace(
        found[-1],
        began=found[0].began,
        ended=found[0].began + length,
        depth=max(stretch.depth for stretch in found),
        rate=max(stretch.rate for stretch in found),
    )


def _submitted_ahead(event: RunEvent) -> Step:
    why = _WHY_AHEAD.get(event.reason, "")
    sentence = f"A supervisor submitted it ahead of the queue{why}."
    return Step(at=event.at, what=What.SUBMITTED_AHEAD, sentence=sentence)


_WHY_AHEAD = {
    OWNER_GONE: ", since the scheduler that had queued it was gone",
    LATE: ", since it had waited for too long",
}
