"""What must never be, whatever happens: pure functions of what was done, seen and told.

Each rule goes through all that there is and says, in words, what breaks it.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

import msgspec

from chaos.endings import allowed_endings
from chaos.history import Changed, Ending, JobMade, Line, PayloadRead, Seen, Started
from chaos.orders import Kind
from chaos.outcome import Outcome
from chaos.world import LiveJob, Row
from nexus_core.domain.names import RunKey

L = TypeVar("L", Changed, JobMade, PayloadRead, Seen, Started)


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All that is known when everything has come to rest."""

    outcomes: Sequence[Outcome] = ()
    lines: Sequence[Line] = ()
    rows: Sequence[Row] = ()
    open_rows: Collection[RunKey] = ()
    """The runs that a sweep would take for open."""
    jobs: Sequence[LiveJob] = ()
    remains: Sequence[str] = ()
    """What else is wrong with what is left."""
    fell: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By service, how it ended by itself."""

    @cached_property
    def row_of(self) -> dict[RunKey, Row]:
        return {row.run: row for row in self.rows}

    @cached_property
    def answered(self) -> dict[RunKey, Outcome]:
        """The runs that clients were answered with, all of those that came to a key."""
        return {
            RunKey(outcome.algorithm, request_id): outcome
            for outcome in self.outcomes
            for request_id in outcome.answers
        }

    @cached_property
    def by_label(self) -> dict[str, Outcome]:
        return {outcome.label: outcome for outcome in self.outcomes}


class Violation(msgspec.Struct, frozen=True):
    """Something that must never be."""

    rule: str
    what: str


def violations(evidence: Evidence) -> list[Violation]:
    """Return all that breaks a rule."""
    return [Violation(name, what) for name, rule in RULES.items() for what in rule(evidence)]


def _accepted_is_kept(evidence: Evidence) -> Iterator[str]:
    for run, outcome in evidence.answered.items():
        if run not in evidence.row_of:
            yield f"{outcome.label} was answered with {run}, which the store does not have"


def _every_run_ends(evidence: Evidence) -> Iterator[str]:
    for row in evidence.rows:
        if not row.ending.finished:
            yield f"{row.label}: {row.run} is still {row.ending}"


def _finished_is_final(evidence: Evidence) -> Iterator[str]:
    """Go through what the observer saw, what writers were told, and what clients were told."""
    first: dict[RunKey, Ending] = {}
    for line in sorted(_of(evidence.lines, Seen), key=lambda line: line.at):
        known = first.get(line.run)
        if line.gone or (known is not None and line.ending != known):
            seen = "gone" if line.gone else line.ending
            yield f"{line.run} was {known} and was then seen as {seen}"
        elif line.ending.finished:
            first.setdefault(line.run, line.ending)
    finished = defaultdict(list)
    for change in _of(evidence.lines, Changed):
        if change.ending.finished:
            finished[change.run].append(change)
    for run, changes in finished.items():
        if len(changes) > 1:
            yield f"{run} was finished {len(changes)} times: " + ", then ".join(
                f"{change.ending} by {change.by}" for change in changes
            )
        row = evidence.row_of.get(run)
        for change in changes:
            if row is not None and not _alike(row.ending, change.ending):
                yield f"{run} was finished as {change.ending} by {change.by}, and is {row.ending}"


def _clients_are_told_the_truth(evidence: Evidence) -> Iterator[str]:
    for outcome in evidence.outcomes:
        row = evidence.row_of.get(outcome.run) if outcome.run else None
        for told in outcome.told:
            if row is not None and not _alike(row.ending, told):
                yield f"{outcome.label}: its client was told {told}, and it is {row.ending}"


def _alike(one: Ending, other: Ending) -> bool:
    """Compare what is known of both: not everybody is told details and results."""
    return (one.stage, one.cause) == (other.stage, other.cause)


def _reasons_are_right(evidence: Evidence) -> Iterator[str]:
    for row in evidence.rows:
        outcome = evidence.by_label.get(row.label)
        if outcome is None:
            yield f"{row.run} has the tag '{row.label}', which nobody gave"
        elif row.ending.finished and not any(
            allowed.is_met_by(row.run, row.ending) for allowed in allowed_endings(outcome)
        ):
            may_be = " or ".join(str(allowed) for allowed in allowed_endings(outcome)) or "nothing"
            yield f"{row.label}: {row.run} is {row.ending} and may be {may_be}"


def _one_job_a_run(evidence: Evidence) -> Iterator[str]:
    uids: dict[RunKey, set[str]] = defaultdict(set)
    for line in _of(evidence.lines, JobMade):
        uids[line.run].add(line.uid)
    for start in _of(evidence.lines, Started):
        uids[start.run].add(start.uid)
    for job in evidence.jobs:
        uids[job.run].add(job.uid)
    for run, found in uids.items():
        if len(found) > 1:
            yield f"{run} had {len(found)} Jobs: {', '.join(sorted(found))}"
        row = evidence.row_of.get(run)
        outcome = evidence.by_label.get(row.label) if row else None
        if outcome is not None and outcome.order.kind is Kind.IS_DRY:
            yield f"{outcome.label}: {run} is dry, and had a Job"
    tries = Counter((line.run, line.uid, line.attempt) for line in _of(evidence.lines, Started))
    for (run, uid, attempt), times in tries.items():
        if times > 1:
            yield f"{run}: try {attempt} of Job {uid} was started {times} times"


def _no_orphan_jobs(evidence: Evidence) -> Iterator[str]:
    for job in evidence.jobs:
        row = evidence.row_of.get(job.run)
        if row is None:
            yield f"Job {job.uid} is of {job.run}, which the store does not have"
        elif job.active and row.ending.finished:
            yield f"{row.label}: {job.run} is {row.ending}, and its Job goes on"


def _no_open_rows_of_finished_runs(evidence: Evidence) -> Iterator[str]:
    for run in evidence.open_rows:
        row = evidence.row_of.get(run)
        if row is None or row.ending.finished:
            yield f"{run} is looked up as open, and is {row.ending if row else 'not there'}"


def _one_run_a_request(evidence: Evidence) -> Iterator[str]:
    runs = Counter(row.label for row in evidence.rows)
    for outcome in evidence.outcomes:
        if runs[outcome.label] > 1:
            key = "its key has" if outcome.keyed else "sent once, it has"
            yield f"{outcome.label}: {key} {runs[outcome.label]} runs"
        if len(set(outcome.answers)) > 1:
            yield f"{outcome.label}: its client was answered with {sorted(set(outcome.answers))}"


def _refusals_are_right(evidence: Evidence) -> Iterator[str]:
    labels = {row.label for row in evidence.rows}
    for outcome in evidence.outcomes:
        expected = 400 if outcome.order.kind is Kind.IS_BAD else 0
        if outcome.refusal != expected:
            yield f"{outcome.label}: its client was told {outcome.refusal}, not {expected}"
        if outcome.order.kind is Kind.IS_BAD and outcome.label in labels:
            yield f"{outcome.label}: it was refused, and has a run"


def _content_is_true(evidence: Evidence) -> Iterator[str]:
    for line in _of(evidence.lines, PayloadRead):
        row = evidence.row_of.get(line.run)
        if row is not None and line.label != row.label:
            yield f"{row.label}: {line.run} was handed the payload of '{line.label}'"
    for outcome in evidence.outcomes:
        for result in outcome.results:
            if result != f'{{"label":"{outcome.label}"}}':
                yield f"{outcome.label}: its result is {result!r}"


def _nothing_is_left(evidence: Evidence) -> Iterator[str]:
    yield from evidence.remains
    for name, falls in evidence.fell.items():
        for fall in falls:
            yield f"{name} ended by itself: {fall}"


Rule = Callable[[Evidence], Iterator[str]]

RULES: Mapping[str, Rule] = {
    "what is accepted is kept": _accepted_is_kept,
    "every run ends": _every_run_ends,
    "what is finished is final": _finished_is_final,
    "clients are told the truth": _clients_are_told_the_truth,
    "the reason is right": _reasons_are_right,
    "at most one Job a run": _one_job_a_run,
    "no orphan Job": _no_orphan_jobs,
    "no open row of a finished run": _no_open_rows_of_finished_runs,
    "one run a request": _one_run_a_request,
    "refusals are right": _refusals_are_right,
    "payloads and results are true": _content_is_true,
    "nothing is damaged, nobody fell": _nothing_is_left,
}


def _of(lines: Sequence[Line], kind: type[L]) -> Iterator[L]:
    return (line for line in lines if isinstance(line, kind))
