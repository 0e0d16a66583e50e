"""How far clocks are apart, and what is said of it."""

from datetime import UTC, datetime, timedelta

import pytest

from nexus_core.domain.clock_offsets import Offset, offset, trouble_of

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def by(seconds: float) -> Offset:
    """That of a clock which is told exactly, at once."""
    return Offset(timedelta(seconds=seconds), timedelta(seconds=seconds))


def test_a_clock_told_in_whole_seconds_may_be_a_second_later() -> None:
    found = offset(NOON, NOON + 10 * SECOND, SECOND, NOON)

    assert (found.least, found.most) == (10 * SECOND, 11 * SECOND)
    assert found.middle == timedelta(seconds=10.5)


def test_an_answer_that_takes_long_says_little() -> None:
    found = offset(NOON, NOON + 10 * SECOND, SECOND, NOON + 20 * SECOND)

    assert found.sure == timedelta(0)


@pytest.mark.parametrize("seconds", [-30, 30])
def test_what_is_sure_is_the_least_that_clocks_differ_by(seconds: int) -> None:
    apart = timedelta(seconds=seconds)
    found = offset(NOON, NOON + apart, SECOND, NOON + 2 * SECOND)

    assert abs(abs(found.sure) - abs(apart)) <= 2 * SECOND
    assert abs(found.sure) <= abs(apart)


@pytest.mark.parametrize("seconds", [0, 4.9, -4.9])
def test_clocks_may_differ_a_little(seconds: float) -> None:
    assert trouble_of({"payload-store": by(seconds)}) == ""


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (6, "more than 5 seconds behind that of payload-store"),
        (-6, "more than 5 seconds ahead of that of payload-store"),
        (100, "more than a minute behind that of payload-store"),
        (-1000, "more than 15 minutes ahead of that of payload-store"),
        (4000, "more than an hour behind that of payload-store"),
        (-90_000, "more than a day ahead of that of payload-store"),
    ],
)
def test_what_is_said_does_not_change_with_each_second(seconds: float, said: str) -> None:
    trouble = trouble_of({"payload-store": by(seconds)})

    assert trouble == f"the clock of this machine is {said}"
    assert trouble_of({"payload-store": by(seconds * 1.05)}) == trouble


def test_who_agrees_is_named_too_for_that_shows_whose_clock_is_wrong() -> None:
    parts = {"cluster eu": by(-70), "payload-store": by(0.2), "checkpoint-store": by(-0.1)}

    assert trouble_of(parts) == (
        "the clock of this machine is more than a minute ahead of that of cluster eu; "
        "it agrees with that of checkpoint-store, payload-store"
    )


def test_a_machine_between_two_clocks_is_told_of_both() -> None:
    assert trouble_of({"cluster eu": by(70), "payload-store": by(-10)}) == (
        "the clock of this machine is more than a minute behind that of cluster eu "
        "and more than 5 seconds ahead of that of payload-store"
    )
