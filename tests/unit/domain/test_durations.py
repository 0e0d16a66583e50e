from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus_core.domain.durations import format_duration, parse_duration
from nexus_core.domain.errors import InvalidInputError

ALMOST_292_YEARS = timedelta(microseconds=(2**63 - 1) // 1000)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", timedelta()),
        ("+0", timedelta()),
        ("0s", timedelta()),
        ("24h", timedelta(hours=24)),
        ("1h30m", timedelta(minutes=90)),
        ("90m0s", timedelta(minutes=90)),
        ("1.5s", timedelta(seconds=1.5)),
        (".5s", timedelta(seconds=0.5)),
        ("1.s", timedelta(seconds=1)),
        ("100ms", timedelta(milliseconds=100)),
        ("7us", timedelta(microseconds=7)),
        ("7\u00b5s", timedelta(microseconds=7)),
        ("7\u03bcs", timedelta(microseconds=7)),
        ("1999ns", timedelta(microseconds=1)),
        ("-1.5h", -timedelta(minutes=90)),
        ("-1ns", timedelta()),
        ("1m1m", timedelta(minutes=2)),
        ("2562047h", timedelta(hours=2562047)),
    ],
)
def test_reads_what_go_reads(text: str, expected: timedelta) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "-", "1", "1.5", "h", ".s", "1d", "1H", "24 h", " 24h", "24h\n", "--1h", "1h-1m"),
        *("1..5s", "1e3s", "\u0661h", "nan", "inf", "0x1h", "1msx", "2562048h", "9" * 60 + "h"),
        *("0" * 100 + "h", "1h" * 1000),
    ],
)
def test_refuses_what_is_no_duration_and_says_what_it_may_be(text: str) -> None:
    with pytest.raises(InvalidInputError, match="must be a duration such as 24h") as refusal:
        parse_duration(text)
    assert len(str(refusal.value)) < 200


@given(st.timedeltas(min_value=-ALMOST_292_YEARS, max_value=ALMOST_292_YEARS))
def test_reads_back_what_it_wrote(duration: timedelta) -> None:
    assert parse_duration(format_duration(duration)) == duration


@given(st.text(alphabet="0123456789.+-hmsnu\u00b5\u03bc ", max_size=12))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        duration = parse_duration(text)
    except InvalidInputError:
        return
    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        (timedelta(), "0s"),
        (timedelta(hours=24), "24h"),
        (timedelta(hours=1, minutes=30), "1h30m"),
        (timedelta(hours=1, seconds=1), "1h1s"),
        (timedelta(seconds=61.25), "1m1.25s"),
        (timedelta(milliseconds=100), "100ms"),
        (timedelta(microseconds=1500), "1.5ms"),
        (timedelta(microseconds=1), "1us"),
        (-timedelta(minutes=1), "-1m"),
    ],
)
def test_writes_the_shortest_that_go_reads(duration: timedelta, expected: str) -> None:
    assert format_duration(duration) == expected
