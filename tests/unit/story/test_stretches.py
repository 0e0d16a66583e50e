"""What samples of a queue tell of a wait."""

from nexus_core.domain.journal import LaneState
from nexus_core.domain.story.facts import What
from nexus_core.domain.story.queue import stretches
from nexus_core.domain.story.telling import tell
from support.ways import Way, a_sample, at

OPEN, REFUSED = LaneState.OPEN, LaneState.REFUSED


def test_samples_of_one_state_are_one_stretch_until_the_run_was_submitted() -> None:
    samples = [a_sample(s, 100 - s, OPEN, rate=10.0 + s) for s in (0, 5, 10)]
    (stretch,) = stretches(samples, at(12))
    assert (stretch.began, stretch.ended) == (at(0), at(12))
    assert (stretch.depth, stretch.rate) == (100, 20.0)


def test_a_stretch_ends_where_the_next_one_begins() -> None:
    samples = [
        a_sample(0, 9, OPEN),
        a_sample(3, 9, REFUSED, reason="first words"),
        a_sample(8, 9, REFUSED, reason="last words"),
        a_sample(9, 9, OPEN),
    ]
    found = stretches(samples, at(10))
    assert [(s.state, s.began, s.ended) for s in found] == [
        (OPEN, at(0), at(3)),
        (REFUSED, at(3), at(9)),
        (OPEN, at(9), at(10)),
    ]
    assert found[1].reason == "last words"


def test_nothing_is_claimed_of_a_time_without_samples() -> None:
    found = stretches([a_sample(0, 9, OPEN), a_sample(100, 9, OPEN)], at(300))
    assert [(s.began, s.ended) for s in found] == [(at(0), at(20)), (at(100), at(120))]


def test_a_wait_that_nobody_notices_is_not_told() -> None:
    story = tell(Way().open(0.5, 3).submitted(1.9).known_at(10))
    assert What.WAITED not in {step.what for step in story.steps}
