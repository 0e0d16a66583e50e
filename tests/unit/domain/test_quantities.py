from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus_core.domain.errors import InvalidInputError
from nexus_core.domain.quantities import parse_quantity, parse_quota, scale_cpu
from nexus_core.domain.template import Quantity

SUFFIXES: dict[str, Decimal | int] = {
    "n": Decimal("0.000000001"),
    "u": Decimal("0.000001"),
    "m": Decimal("0.001"),
    "": 1,
    "k": 1000,
    "M": 1000**2,
    "G": 1000**3,
    "T": 1000**4,
    "P": 1000**5,
    "E": 1000**6,
    "Ki": 1024,
    "Mi": 1024**2,
    "Gi": 1024**3,
    "Ti": 1024**4,
    "Pi": 1024**5,
    "Ei": 1024**6,
}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_reads_every_suffix_of_kubernetes(suffix: str) -> None:
    assert parse_quantity(f"3{suffix}") == 3 * SUFFIXES[suffix]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("500Mi", 500 * 1024**2),
        ("1.5Gi", 1536 * 1024**2),
        ("1000m", 1),
        ("1e3", 1000),
        ("1E3", 1000),
        ("1E", 10**18),
        ("12e-1", Decimal("1.2")),
        ("1e+2", 100),
        ("+2", 2),
        ("-2", -2),
        ("2.", 2),
        (".5", Decimal("0.5")),
        (2, 2),
        (0.1, Decimal("0.1")),
        (2**63 - 1, 2**63 - 1),
    ],
)
def test_reads_what_kubernetes_reads(value: Quantity, expected: Decimal) -> None:
    assert parse_quantity(value) == expected


@pytest.mark.parametrize("text", ["0.1n", "0.0000000001", "1e-300"])
def test_rounds_what_is_finer_than_nanos_away_from_zero(text: str) -> None:
    assert parse_quantity(text) == Decimal("1e-9")
    assert parse_quantity(f"-{text}") == Decimal("-1e-9")


@pytest.mark.parametrize(
    "value",
    [
        *("", ".", "-", "Mi", "1K", "1ki", "1mi", "1 Gi", "1Gi ", "1Gi\n", "1e", "1e3m", "1e1.5"),
        *("--1", "1,5", "0x10", "1_000", "\u0663", "nan", "inf", "-inf", "8Ei", "1e19", "1e999"),
        *("1e99999999999", "9" * 64 + "Ei", "1" * 65, "1" * 10**4),
        *(float("nan"), float("inf"), 1e300, 2**63, -(2**63), True, False),
    ],
)
def test_refuses_what_is_no_quantity_and_says_what_it_may_be(value: Quantity) -> None:
    with pytest.raises(InvalidInputError, match="must be a quantity such as 500Mi") as refusal:
        parse_quantity(value)
    assert len(str(refusal.value)) < 200


def test_refuses_integers_too_large_to_be_written() -> None:
    with pytest.raises(InvalidInputError, match="must be a quantity"):
        parse_quantity(10**5000)


@given(
    st.decimals(min_value=-9, max_value=9, places=3),
    st.sampled_from(sorted(set(SUFFIXES) - {"n", "u", "Ei", "E"})),
)
def test_number_and_suffix_multiply_exactly(number: Decimal, suffix: str) -> None:
    assert parse_quantity(f"{number:f}{suffix}") == number * SUFFIXES[suffix]


@given(st.text(alphabet="0123456789.+-eEinumkKMGTP ", max_size=10) | st.floats() | st.integers())
def test_any_value_is_read_or_refused(value: Quantity) -> None:
    try:
        amount = parse_quantity(value)
    except InvalidInputError:
        return
    assert abs(amount) < 2**63


@pytest.mark.parametrize(
    ("limit", "quota", "expected"),
    [
        ("1", "0.1", "100m"),
        ("250m", "0.1", "25m"),
        ("2", "1", "2000m"),
        (0.5, "0.333", "167m"),
        ("1m", "0.1", "1m"),
        ("1", "", "100m"),
    ],
)
def test_scales_a_cpu_limit_to_whole_millis_rounded_up(
    limit: Quantity, quota: str, expected: str
) -> None:
    assert scale_cpu(limit, parse_quota(quota)) == expected


@pytest.mark.parametrize("text", ["0", "-0.1", "1.1", "half", "nan", " 1", "1e30"])
def test_a_quota_is_above_zero_and_at_most_one(text: str) -> None:
    with pytest.raises(InvalidInputError, match="must be a number above 0 and at most 1"):
        parse_quota(text)
