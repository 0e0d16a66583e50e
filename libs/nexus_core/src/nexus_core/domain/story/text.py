"""A story as text, for terminals."""

from datetime import UTC, datetime

from nexus_core.domain.checkpoint import Checkpoint
from nexus_core.domain.story.facts import Step, Story

_INDENT = " " * 14
_ADVICE = "What you can do: "


def as_text(run: Checkpoint, story: Story) -> str:
    """Write a story: how things stand, what the caller can do, and the steps by time (UTC)."""
    lines = [f"{run.key}  {run.lifecycle_stage}", story.headline]
    if story.advice:
        lines.append(f"{_ADVICE}{story.advice}")
    day = ""
    for step in story.steps:
        if (today := f"{step.at.astimezone(UTC):%Y-%m-%d}") != day:
            day = today
            lines += ["", f"{day} (UTC)"]
        lines += _step(step, story.advice)
    if story.missing:
        lines += ["", *story.missing]
    return "\n".join(lines) + "\n"


def _step(step: Step, said: str) -> list[str]:
    lines = [f"{_clock(step.at)}  {step.sentence}"]
    lines += [f"{_INDENT}{line}" for line in step.details.splitlines() if line.strip()]
    # What stands at the top already is not said again.
    if step.advice and step.advice != said:
        lines.append(f"{_INDENT}{_ADVICE}{step.advice}")
    return lines


def _clock(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%H:%M:%S.") + f"{at.microsecond // 1000:03d}"
