"""How lengths of time are spoken of."""

from datetime import timedelta

import pytest

from nexus_core.domain.story.words import counted, ordinal, rate, spoken


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3, "0 ms"),
        (0, "0 ms"),
        (0.0042, "4 ms"),
        (0.36, "360 ms"),
        (2.36, "2.4 s"),
        (9.96, "10 s"),
        (10.4, "10 s"),
        (59.6, "1 min"),
        (61, "1 min 1 s"),
        (3599.4, "59 min 59 s"),
        (3600, "1 h"),
        (3725, "1 h 2 min"),
        (86400, "1 day"),
        (86400 * 2 + 3600 * 5, "2 days 5 h"),
    ],
)
def test_a_length_of_time_is_told_in_two_units_at_most(seconds: float, words: str) -> None:
    assert spoken(timedelta(seconds=seconds)) == words


def test_things_are_counted() -> None:
    assert (counted(1, "run"), counted(1204, "run")) == ("1 run", "1,204 runs")


def test_numbers_have_places() -> None:
    assert [ordinal(number) for number in (1, 2, 3, 4, 12)] == [
        "first",
        "second",
        "third",
        "4th",
        "12th",
    ]
    assert [ordinal(number) for number in (21, 22, 23, 24, 111, 113, 121)] == [
        "21st",
        "22nd",
        "23rd",
        "24th",
        "111th",
        "113th",
        "121st",
    ]


def test_rates_are_told_without_false_precision() -> None:
    assert (rate(50.0), rate(12.3456)) == ("50 a second", "12.3 a second")
