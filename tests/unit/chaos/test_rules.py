"""Each rule of chaos, broken once: a check that can't fail proves nothing."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from msgspec.structs import replace as with_

from chaos.endings import allowed_endings
from chaos.history import Changed, Ending, JobMade, Line, PayloadRead, Seen, Started
from chaos.orders import Kind, Order, Sending
from chaos.outcome import Outcome
from chaos.rules import RULES, Evidence, violations
from chaos.world import LiveJob, Row
from nexus_core.domain.names import RunKey

RUN = RunKey("completes", "01a214ba-9848-74ea-a37b-6260a5c9379e")
OTHER = RunKey("completes", "01a214ba-9848-74ea-a37b-6260a5c9379f")
COMPLETED = Ending(stage="COMPLETED", result_uri="s3a://chaos/order-7")
RUNNING = Ending(stage="RUNNING")
ROW = Row(run=RUN, label="order-7", ending=COMPLETED)


def an_order(kind: Kind = Kind.COMPLETES) -> Order:
    return Order(
        number=7, at=0, kind=kind, sending=Sending.KEYED, pause=0.1, delay=0.1, twice=False
    )


def an_outcome(kind: Kind = Kind.COMPLETES, **told: Any) -> Outcome:
    return Outcome(order=an_order(kind), label="order-7", keyed=True, **told)


def a_story() -> Iterator[Line]:
    """Go through what is written of a run that goes as it should."""
    yield Changed(at=1, by="scheduler-1", run=RUN, ending=Ending(stage="BUFFERED"))
    yield JobMade(at=2, by="scheduler-1", run=RUN, uid="job-1")
    yield Changed(at=3, by="scheduler-1", run=RUN, ending=RUNNING)
    yield Started(at=3, run=RUN, uid="job-1", attempt=0)
    yield PayloadRead(at=4, run=RUN, label="order-7")
    yield Seen(at=5, run=RUN, ending=RUNNING, label="order-7")
    yield Changed(at=6, by="receiver", run=RUN, ending=COMPLETED)
    yield Seen(at=7, run=RUN, ending=COMPLETED, label="order-7")


SOUND = Evidence(
    outcomes=[an_outcome(answers=[RUN.request_id], told=[Ending(stage="COMPLETED")])],
    lines=list(a_story()),
    rows=[ROW],
    jobs=[LiveJob(run=RUN, uid="job-1", active=False)],
)

# Failed, where the story of the same run says that it completed.
FAILED = Ending(stage="FAILED", cause="It was lost.")


def more(*lines: Line) -> Evidence:
    """Return the sound story with lines that break it."""
    return replace(SOUND, lines=[*SOUND.lines, *lines])


BROKEN = {
    "an accepted run is lost": ("what is accepted is kept", replace(SOUND, rows=[])),
    "a run is still open": (
        "every run ends",
        replace(SOUND, rows=[with_(ROW, ending=RUNNING)]),
    ),
    "a finished run is seen in another stage": (
        "what is finished is final",
        more(Seen(at=8, run=RUN, ending=RUNNING)),
    ),
    "a finished run gets another result": (
        "what is finished is final",
        more(Seen(at=8, run=RUN, ending=with_(COMPLETED, result_uri="s3a://chaos/other"))),
    ),
    "a finished run is gone": (
        "what is finished is final",
        more(Seen(at=8, run=RUN, ending=COMPLETED, gone=True)),
    ),
    "two writers finish a run": (
        "what is finished is final",
        more(Changed(at=8, by="supervisor-1", run=RUN, ending=COMPLETED)),
    ),
    "a client is told another end": (
        "clients are told the truth",
        replace(SOUND, outcomes=[an_outcome(answers=[RUN.request_id], told=[FAILED])]),
    ),
    "a run ends in a stage that it may not": (
        "the reason is right",
        replace(SOUND, rows=[with_(ROW, ending=FAILED)]),
    ),
    "a run ends with the result of another": (
        "the reason is right",
        replace(SOUND, rows=[with_(ROW, ending=with_(COMPLETED, result_uri="s3a://chaos/8"))]),
    ),
    "there is a run that nobody asked for": (
        "the reason is right",
        replace(SOUND, rows=[ROW, Row(run=OTHER, label="", ending=COMPLETED)]),
    ),
    "a second Job is created": (
        "at most one Job a run",
        more(JobMade(at=8, by="supervisor-1", run=RUN, uid="job-2")),
    ),
    "an algorithm of a second Job begins": (
        "at most one Job a run",
        more(Started(at=8, run=RUN, uid="job-2", attempt=0)),
    ),
    "a try of a Job is started twice": (
        "at most one Job a run",
        more(Started(at=8, run=RUN, uid="job-1", attempt=0)),
    ),
    "a dry run has a Job": (
        "at most one Job a run",
        replace(SOUND, outcomes=[an_outcome(Kind.IS_DRY, answers=[RUN.request_id])]),
    ),
    "a Job goes on after its run": (
        "no orphan Job",
        replace(SOUND, jobs=[LiveJob(run=RUN, uid="job-1", active=True)]),
    ),
    "a Job is of no run": (
        "no orphan Job",
        replace(SOUND, jobs=[LiveJob(run=OTHER, uid="job-1", active=False)]),
    ),
    "a finished run is looked up as open": (
        "no open row of a finished run",
        replace(SOUND, open_rows=[RUN]),
    ),
    "a run that is not there is looked up as open": (
        "no open row of a finished run",
        replace(SOUND, open_rows=[OTHER]),
    ),
    "a key has two runs": (
        "one run a request",
        replace(SOUND, rows=[ROW, with_(ROW, run=OTHER)]),
    ),
    "a key is answered with two runs": (
        "one run a request",
        replace(SOUND, outcomes=[an_outcome(answers=[RUN.request_id, OTHER.request_id])]),
    ),
    "a good request is refused": (
        "refusals are right",
        replace(SOUND, outcomes=[an_outcome(refusal=422)]),
    ),
    "a bad request has a run": (
        "refusals are right",
        replace(SOUND, outcomes=[an_outcome(Kind.IS_BAD, refusal=400)]),
    ),
    "a run is handed the payload of another": (
        "payloads and results are true",
        more(PayloadRead(at=8, run=RUN, label="order-8")),
    ),
    "a client fetches the result of another": (
        "payloads and results are true",
        replace(SOUND, outcomes=[an_outcome(results=['{"label":"order-8"}'])]),
    ),
    "the database is damaged": (
        "nothing is damaged, nobody fell",
        replace(SOUND, remains=["the database is damaged"]),
    ),
    "a service ends by itself": (
        "nothing is damaged, nobody fell",
        replace(SOUND, fell={"receiver": ["exit code 1"]}),
    ),
}


def test_a_run_that_goes_as_it_should_breaks_no_rule() -> None:
    assert violations(SOUND) == []


@pytest.mark.parametrize(("rule", "evidence"), BROKEN.values(), ids=BROKEN)
def test_a_rule_that_is_broken_says_so(rule: str, evidence: Evidence) -> None:
    assert rule in {violation.rule for violation in violations(evidence)}


def test_every_rule_is_broken_here() -> None:
    assert {rule for rule, _ in BROKEN.values()} == set(RULES)


# What a run may end as depends on what its client was told.


def ends_well(outcome: Outcome, ending: Ending) -> bool:
    run = RunKey(outcome.algorithm, RUN.request_id)
    return any(allowed.is_met_by(run, ending) for allowed in allowed_endings(outcome))


CANCELLED = Ending(stage="CANCELLED", cause="Cancelled by order-7.")


@pytest.mark.parametrize(
    ("told", "ending", "well"),
    [
        ({"cancelled": True}, CANCELLED, True),
        ({"cancelled": True}, COMPLETED, False),
        ({"came_too_late": True}, COMPLETED, True),
        ({"came_too_late": True}, CANCELLED, False),
    ],
)
def test_a_cancellation_that_races_ends_as_its_client_was_told(
    told: dict[str, bool], ending: Ending, *, well: bool
) -> None:
    outcome = an_outcome(Kind.RACES_ITS_CANCELLATION, answers=[RUN.request_id], **told)
    assert ends_well(outcome, ending) is well


@pytest.mark.parametrize(
    ("kind", "act", "ending", "well"),
    [
        (Kind.LEAVES_ORPHANS, "complete", COMPLETED, True),
        (Kind.LEAVES_ORPHANS, "complete", CANCELLED, False),
        (Kind.IS_CANCELLED_WITH_CHILDREN, "linger", COMPLETED, False),
        (Kind.IS_CANCELLED_WITH_CHILDREN, "complete", COMPLETED, True),
    ],
)
def test_a_child_ends_as_the_cancellation_of_its_parent_wants_it(
    kind: Kind, act: str, ending: Ending, *, well: bool
) -> None:
    parent = an_outcome(kind, answers=[OTHER.request_id])
    assert ends_well(an_outcome(kind, parent=parent, act=act), ending) is well
    cause = f"Cancelled by order-7, with its parent {parent.run}."
    with_parent = Ending(stage="CANCELLED", cause=cause)
    with_all = kind is Kind.IS_CANCELLED_WITH_CHILDREN
    assert ends_well(an_outcome(kind, parent=parent, act=act), with_parent) is with_all
