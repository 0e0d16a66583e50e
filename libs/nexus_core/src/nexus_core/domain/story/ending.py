"""The last stretch: how a run ended, and what the caller can do now."""

import re
from collections.abc import Callable, Sequence

import msgspec

from nexus_core.domain.checkpoint import Checkpoint
from nexus_core.domain.journal import RunEventKind
from nexus_core.domain.stages import Stage
from nexus_core.domain.story import advice
from nexus_core.domain.story.arrival import is_dry_run
from nexus_core.domain.story.facts import Facts, Step, What
from nexus_core.domain.troubles import OUT_OF_MEMORY

_WHAT = {
    Stage.COMPLETED: What.COMPLETED,
    Stage.FAILED: What.FAILED,
    Stage.SCHEDULING_FAILED: What.SCHEDULING_FAILED,
    Stage.DEADLINE_EXCEEDED: What.DEADLINE_EXCEEDED,
    Stage.CANCELLED: What.CANCELLED,
}


def ending(facts: Facts) -> Step | None:
    """Tell how a run ended; None while it has not."""
    run = facts.checkpoint
    what = _WHAT.get(run.lifecycle_stage)
    if what is None:
        return None
    return Step(
        at=run.last_modified,
        what=what,
        sentence=_sentence(facts),
        details=run.algorithm_failure_details,
        advice=advice_on_end(facts),
    )


def advice_on_end(facts: Facts) -> str:
    """Return what the caller of a finished run can do; empty when nothing."""
    run = facts.checkpoint
    if run.lifecycle_stage in {Stage.COMPLETED, Stage.CANCELLED}:
        return ""
    if run.lifecycle_stage is _OVER and _ran_out_of_memory(facts):
        return advice.memory(run)
    text = f"{run.algorithm_failure_cause}\n{run.algorithm_failure_details}"
    for row in _ADVICE:
        if run.lifecycle_stage in row.stages and row.pattern.search(text):
            return row.advise(run)
    return _OTHERWISE[run.lifecycle_stage](run)


def _sentence(facts: Facts) -> str:
    run, cause = facts.checkpoint, facts.checkpoint.algorithm_failure_cause
    if run.lifecycle_stage is Stage.COMPLETED:
        if is_dry_run(facts):
            return "A dry run: it was checked and stored, and nothing was to be started."
        return "The algorithm reported its result." if run.result_uri else "It was completed."
    if cause:
        return cause
    return "Cancelled." if run.lifecycle_stage is Stage.CANCELLED else "No cause is recorded."


def _ran_out_of_memory(facts: Facts) -> bool:
    """Tell whether the last try did, though the recorded cause may not know."""
    if facts.checkpoint.algorithm_failure_cause.startswith("The run exceeded its deadline"):
        return False
    ends = [event for event in facts.events if event.kind is RunEventKind.ENDED]
    return bool(ends) and ends[-1].reason == OUT_OF_MEMORY


class _Row(msgspec.Struct, frozen=True):
    stages: frozenset[Stage]
    pattern: re.Pattern[str]
    advise: Callable[[Checkpoint], str]


def _row(pattern: str, advise: Callable[[Checkpoint], str], *stages: Stage) -> _Row:
    return _Row(frozenset(stages), re.compile(pattern), advise)


_OVER = Stage.DEADLINE_EXCEEDED
_NEVER = Stage.SCHEDULING_FAILED

# By our own sentences and those of the Go implementation; the first that fits. What an algorithm
# says of itself is no such sentence, so only beginnings count where it may speak.
_ADVICE: Sequence[_Row] = (
    _row(r"out of memory|OOMKilled|exit code 137", advice.memory, _OVER),
    _row(
        r"^The (?:algorithm|run's Job) .*(?:out of memory|exit code 137)",
        advice.memory,
        Stage.FAILED,
    ),
    _row(r"pull(?:ing|ed)?\b.* image|image .*pulled|ImagePull", advice.image, _NEVER),
    _row(
        r"quota|refused to create a pod|Unable to launch a container",
        lambda _: advice.QUOTA,
        _NEVER,
    ),
    # Ahead of the next: details of these two may name a node for any reason, or the program `node`.
    _row(r"^Cluster '.*' refused the Job", lambda _: advice.REFUSED, _NEVER),
    _row(r"^The container of the algorithm could not be", lambda _: advice.CONTAINER, _NEVER),
    _row(r"\bnodes?\b", lambda _: advice.NODES_IN_VAIN, _NEVER, _OVER),
    _row(r"send the request again", lambda _: advice.SEND_AGAIN, _NEVER),
    _row(r"^The cluster took the run's pod away", lambda _: advice.SEND_AGAIN, Stage.FAILED, _OVER),
    _row(r"deadline|run time limit", advice.deadline, _OVER),
    _row(r"^The cluster did not make another pod", lambda _: advice.QUOTA, Stage.FAILED),
    _row(r"^The algorithm ended without reporting", lambda _: advice.SILENT, Stage.FAILED),
    _row(r"^The run's Job (?:is gone|was deleted)", lambda _: advice.LOST_JOB, Stage.FAILED),
    _row(
        r"^(?:The algorithm (?:ended|crashed)|The run's Job failed|Algorithm encountered a fatal)",
        advice.log,
        Stage.FAILED,
    ),
)

_OTHERWISE: dict[Stage, Callable[[Checkpoint], str]] = {
    Stage.FAILED: lambda _: advice.OWN_WORDS,
    _NEVER: lambda _: advice.CONTAINER,
    _OVER: advice.retries,
}
