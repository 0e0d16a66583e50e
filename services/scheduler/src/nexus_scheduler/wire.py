"""What the scheduler answers: shapes of JSON bodies, and how checkpoints become them."""

from datetime import UTC, datetime

import msgspec

from nexus_core.domain.checkpoint import Checkpoint, RunSummary
from nexus_core.domain.overrides import complete
from nexus_core.domain.request import Overrides, ParentReference
from nexus_core.domain.stages import Stage
from nexus_core.domain.story.facts import Step, Story, What
from nexus_core.domain.template import TemplateSpec

NO_TIME = "0001-01-01T00:00:00Z"
"""How a time that is not known yet is written."""


class Accepted(msgspec.Struct, frozen=True, rename="camel"):
    """A run was accepted and is safe."""

    request_id: str


class RunResult(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What became of a run, as far as it is known."""

    request_id: str
    status: Stage
    result_uri: str = ""
    """Only of a `COMPLETED` run: where its result is."""
    run_error_message: str = ""
    """Why a run finished in another stage than `COMPLETED`."""
    algorithm_name: str | msgspec.UnsetType = msgspec.UNSET
    """Only in lists by tag."""


class CheckpointedRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that is recorded of a run. Never null; times have a constant number of digits."""

    algorithm: str
    id: str
    lifecycle_stage: Stage
    payload_uri: str
    result_uri: str
    algorithm_failure_cause: str
    algorithm_failure_details: str
    received_by_host: str
    received_at: str
    sent_at: str
    applied_configuration: TemplateSpec | None = None
    configuration_overrides: Overrides | None = None
    content_hash: str
    last_modified: str
    tag: str = ""
    api_version: str
    job_uid: str = ""
    parent: ParentReference | None = None


class RunListItem(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A run in a list."""

    algorithm_name: str
    request_id: str
    status: Stage
    tag: str = ""
    received_at: str
    sent_at: str = ""
    last_modified: str
    run_error_message: str = ""


class RunList(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A page of runs, newest first."""

    runs: list[RunListItem]
    next_cursor: str = ""
    """Give it as `cursor` to get the next page; absent on the last one."""


class RunStep(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One thing that happened to a run."""

    at: str
    """When, by who saw it. Clusters tell whole seconds."""
    what: What
    sentence: str
    details: str = ""
    """In the words of the cluster, or of who caused it."""
    advice: str = ""
    """What the caller can do about it; absent when nothing."""


class RunStory(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """How a run came to where it is."""

    algorithm_name: str
    request_id: str
    status: Stage
    headline: str
    """What the run does now, or why it ended."""
    advice: str = ""
    """What the caller can do now; absent when nothing."""
    steps: list[RunStep]
    """In the order in which they happened."""
    missing: list[str] = []
    """What could not be read at present, a sentence each; absent when nothing is missing."""


def write_time(time: datetime | None) -> str:
    """Write a time with microseconds and `Z`: clients compare times as text."""
    if time is None:
        return NO_TIME
    # Not strftime, which writes the year 1 of rows that Go wrote as a single digit.
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def present_checkpoint(checkpoint: Checkpoint) -> CheckpointedRequest:
    """Show a checkpoint as the contract has it."""
    applied = checkpoint.applied_configuration
    return CheckpointedRequest(
        algorithm=checkpoint.algorithm,
        id=checkpoint.id,
        lifecycle_stage=checkpoint.lifecycle_stage,
        payload_uri=checkpoint.payload_uri,
        result_uri=checkpoint.result_uri,
        algorithm_failure_cause=checkpoint.algorithm_failure_cause,
        algorithm_failure_details=checkpoint.algorithm_failure_details,
        received_by_host=checkpoint.received_by_host,
        received_at=write_time(checkpoint.received_at),
        sent_at=write_time(checkpoint.sent_at),
        applied_configuration=complete(applied) if applied else None,
        configuration_overrides=checkpoint.configuration_overrides,
        content_hash=checkpoint.content_hash,
        last_modified=write_time(checkpoint.last_modified),
        tag=checkpoint.tag,
        api_version=checkpoint.api_version,
        job_uid=checkpoint.job_uid,
        parent=checkpoint.parent,
    )


def present_summary(run: RunSummary) -> RunListItem:
    """Show a run in a list."""
    return RunListItem(
        algorithm_name=run.key.algorithm,
        request_id=run.key.request_id,
        status=run.stage,
        tag=run.tag,
        received_at=write_time(run.received_at),
        sent_at=write_time(run.sent_at) if run.sent_at else "",
        last_modified=write_time(run.last_modified),
        run_error_message=run.cause,
    )


def present_story(checkpoint: Checkpoint, story: Story) -> RunStory:
    """Show the story of a run."""
    return RunStory(
        algorithm_name=checkpoint.algorithm,
        request_id=checkpoint.id,
        status=checkpoint.lifecycle_stage,
        headline=story.headline,
        advice=story.advice,
        steps=[_present_step(step) for step in story.steps],
        missing=list(story.missing),
    )


def _present_step(step: Step) -> RunStep:
    return RunStep(
        at=write_time(step.at),
        what=step.what,
        sentence=step.sentence,
        details=step.details,
        advice=step.advice,
    )
