"""The first stretch: a run is accepted, and made safe."""

from collections.abc import Iterator

from nexus_core.domain.stages import Stage
from nexus_core.domain.story.facts import Facts, Step, What


def arrival(facts: Facts) -> Iterator[Step]:
    """Tell how a run came in."""
    run = facts.checkpoint
    by = f" by scheduler '{run.received_by_host}'" if run.received_by_host else ""
    parent = f", as a child of run {run.parent.key}" if run.parent else ""
    yield Step(at=run.received_at, what=What.ACCEPTED, sentence=f"Accepted{by}{parent}.")
    if _was_buffered(facts):
        cluster = f" for cluster '{facts.cluster}'" if facts.cluster else ""
        yield Step(
            at=run.received_at,
            what=What.BUFFERED,
            sentence=f"Buffered{cluster}: its payload and its Job are stored.",
        )


def is_dry_run(facts: Facts) -> bool:
    """Tell whether a run was only to be checked and stored: it completed, and never had a Job."""
    run = facts.checkpoint
    return (
        run.lifecycle_stage is Stage.COMPLETED
        and run.sent_at is None
        and not (run.job_uid or run.result_uri or facts.events)
    )


def _was_buffered(facts: Facts) -> bool:
    run = facts.checkpoint
    if run.lifecycle_stage is Stage.NEW:
        return False
    # A run that ended while it was NEW has neither of these; nor has one of long ago, whose Job is
    # stored no more, if it never was submitted.
    return bool(facts.cluster or run.sent_at)
