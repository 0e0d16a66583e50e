"""What a caller can do is said for every cause that the reference lists."""

import re
from pathlib import Path

import pytest

from nexus_core.domain.endings import NOT_STARTED
from nexus_core.domain.stages import Stage
from nexus_core.domain.story import advice
from nexus_core.domain.story.ending import advice_on_end
from support.ways import Way

REFERENCE = Path("docs/reference/stages-and-reasons.md")

GO_DID_NOT_LAUNCH = (
    "Algorithm submission was buffered, but failed to launch on the target cluster: "
)
GO_FAILED = "Algorithm encountered a fatal error during execution: "

MEMORY = "it ran out of memory (limit 64Mi)"


def listed() -> list[tuple[Stage, str]]:
    """Return the causes that the reference lists, but for what algorithms say themselves."""
    rows = re.findall(
        r"^\| `([A-Z_]+)` \| ([A-Z][^|]*) \|", REFERENCE.read_text("utf-8"), re.MULTILINE
    )
    return [(Stage(stage), cause.strip().replace("…", "exit code 3")) for stage, cause in rows]


LISTED = [(stage, cause) for stage, cause in listed() if stage is not Stage.CANCELLED]


def advised(stage: Stage, cause: str, details: str = "") -> str:
    return advice_on_end(Way().submitted(1).finished(2, stage, cause, details).known_at(3))


@pytest.mark.parametrize(("stage", "cause"), LISTED)
def test_each_cause_of_ours_has_advice_that_is_not_that_for_an_algorithms_own_words(
    stage: Stage, cause: str
) -> None:
    assert advised(stage, cause) not in {"", advice.OWN_WORDS}


def test_the_reference_is_read() -> None:
    assert len(LISTED) > 10


@pytest.mark.parametrize(
    ("stage", "cause"), [row for row in LISTED if row[1].endswith(": exit code 3.")]
)
def test_a_lack_of_memory_is_advised_on_however_it_ended_the_run(stage: Stage, cause: str) -> None:
    assert "above 128Mi" in advised(stage, cause.replace("exit code 3", MEMORY))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("the image of node 7 is out of memory", advice.OWN_WORDS),
        ("deadline missed: quota of nodes", advice.OWN_WORDS),
    ],
)
def test_an_algorithms_own_words_are_not_taken_for_ours(words: str, said: str) -> None:
    assert advised(Stage.FAILED, words, words) == said


@pytest.mark.parametrize(
    ("cause", "details", "said"),
    [
        (NOT_STARTED, 'exec: "node": executable file not found in $PATH', advice.CONTAINER),
        ("Cluster 'gpu-nodes' refused the Job of this run.", "Required value", advice.REFUSED),
        ("Cluster 'a' refused the Job of this run.", "exceeded quota: nodes", advice.QUOTA),
    ],
)
def test_a_name_is_not_taken_for_what_is_amiss(cause: str, details: str, said: str) -> None:
    assert advised(Stage.SCHEDULING_FAILED, cause, details) == said


@pytest.mark.parametrize(
    ("stage", "cause", "details", "said"),
    [
        (
            Stage.SCHEDULING_FAILED,
            GO_DID_NOT_LAUNCH + "Failed",
            'Failed to pull image "x": not found',
            "Check name and tag",
        ),
        (
            Stage.SCHEDULING_FAILED,
            GO_DID_NOT_LAUNCH + "Unable to launch a container for the algorithm - please review",
            "exceeded quota",
            advice.QUOTA,
        ),
        (
            Stage.DEADLINE_EXCEEDED,
            "Algorithm exceeded its max allowed run time limit or retry attempt count.",
            "Job was active longer than specified deadline",
            "Give it more time",
        ),
        (Stage.FAILED, GO_FAILED + "BackOff", "", "Read the end of its log"),
    ],
)
def test_causes_of_the_go_implementation_have_advice(
    stage: Stage, cause: str, details: str, said: str
) -> None:
    assert advised(stage, cause, details).startswith(said)
