"""What must never be, whatever happens: pure functions of what was done, seen and told.

Each rule goes through all that there is and says, in words, what breaks it.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

import msgspec

from chaos.clients import Outcome
from chaos.history import Changed, Ending, JobMade, Line, PayloadRead, Seen, Started
from chaos.orders import Kind
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
            allowed.is_met_by(row) for allowed in allowed_endings(outcome)
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


class Allowed(msgspec.Struct, frozen=True, kw_only=True):
    """An ending that a run may have."""

    stage: str
    cause: str = ""
    """A pattern for all of it."""
    result: str = ""
    """Likewise, for where its result is."""

    def is_met_by(self, row: Row) -> bool:
        """Tell whether a run has ended so."""
        ending = row.ending
        result = self.result.replace("<id>", re.escape(row.run.request_id))
        return (
            ending.stage == self.stage
            and re.fullmatch(self.cause, ending.cause) is not None
            and re.fullmatch(result, ending.result_uri) is not None
        )

    def __str__(self) -> str:
        return f"{self.stage} ({self.cause or self.result})"


def allowed_endings(outcome: Outcome) -> Sequence[Allowed]:
    """Return how the runs of an order may end, by what was wanted and what its client was told."""
    label = re.escape(outcome.label)
    completed = Allowed(stage="COMPLETED", result=f"s3a://chaos/{label}")
    if outcome.parent is not None:
        return _of_child(outcome.act, outcome.parent, completed)
    cancelled = Allowed(stage="CANCELLED", cause=rf"Cancelled by {label}\.")
    match outcome.order.kind:
        case (
            Kind.IS_CANCELLED
            | Kind.IS_CANCELLED_EARLY
            | Kind.IS_CANCELLED_WITH_CHILDREN
            | Kind.LEAVES_ORPHANS
        ):
            return [cancelled]
        case Kind.RACES_ITS_CANCELLATION:
            if outcome.cancelled:
                return [cancelled]
            return [completed]
        case Kind.IS_BAD:
            return []
    return [_ENDINGS.get(outcome.order.kind, completed)]


def _of_child(act: str, parent: Outcome, completed: Allowed) -> Sequence[Allowed]:
    """Return how a run may end whose parent is cancelled, alone or with all below it."""
    if parent.order.kind is Kind.LEAVES_ORPHANS:
        return [completed]
    with_parent = Allowed(
        stage="CANCELLED",
        cause=rf"Cancelled (by {re.escape(parent.label)}, )?with its parent {parent.run}\.",
    )
    return [with_parent] if act == "linger" else [with_parent, completed]


_ENDINGS: Mapping[Kind, Allowed] = {
    Kind.UPLOADS: Allowed(stage="COMPLETED", result=r".+/algorithm=uploads/<id>(\.result)?"),
    Kind.REPORTS_ERROR: Allowed(stage="FAILED", cause=r"order-\d+ can't be computed\."),
    Kind.ENDS_FATALLY: Allowed(
        stage="FAILED", cause=r"The algorithm ended with a fatal error: exit code 17\."
    ),
    Kind.RUNS_OUT_OF_RETRIES: Allowed(
        stage="DEADLINE_EXCEEDED",
        cause=r"The algorithm failed more often than its retries allow: exit code 1\.",
    ),
    Kind.TAKES_MEMORY: Allowed(
        stage="FAILED",
        cause=r"The algorithm ended with a fatal error: it ran out of memory \(limit 48Mi\)\.",
    ),
    Kind.OVERSTAYS: Allowed(stage="DEADLINE_EXCEEDED", cause=r"The run exceeded its deadline\."),
    Kind.DOES_NOT_START: Allowed(
        stage="SCHEDULING_FAILED", cause=r"The container of the algorithm could not be started: .+"
    ),
    Kind.SAYS_NOTHING: Allowed(
        stage="FAILED", cause=r"The algorithm ended without reporting a result\."
    ),
    Kind.IS_DRY: Allowed(stage="COMPLETED"),
    Kind.LOSES_ITS_JOB: Allowed(
        stage="FAILED",
        cause=r"The run's Job is gone from its cluster, and no result was reported\.",
    ),
}


def _of(lines: Sequence[Line], kind: type[L]) -> Iterator[L]:
    return (line for line in lines if isinstance(line, kind))
