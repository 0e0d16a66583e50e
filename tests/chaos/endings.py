"""How a run may end, by what was wanted of it and what its client was told."""

import re
from collections.abc import Mapping, Sequence

import msgspec

from chaos.history import Ending
from chaos.orders import Kind
from chaos.outcome import Outcome
from nexus_core.domain.names import RunKey


class Allowed(msgspec.Struct, frozen=True, kw_only=True):
    """An ending that a run may have."""

    stage: str
    cause: str = ""
    """A pattern for all of it."""
    result: str = ""
    """Likewise, for where its result is."""

    def is_met_by(self, run: RunKey, ending: Ending) -> bool:
        """Tell whether a run has ended so."""
        result = self.result.replace("<id>", re.escape(run.request_id))
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
