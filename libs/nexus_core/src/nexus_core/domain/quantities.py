"""Kubernetes quantities: amounts of CPU, memory and other resources."""

import re
from decimal import ROUND_CEILING, ROUND_UP, Context, Decimal

from nexus_core.domain.errors import InvalidInputError
from nexus_core.domain.template import Quantity

DEFAULT_RESOURCE_QUOTA = Decimal("0.1")
"""Share of the CPU limit that a run requests where its template says nothing (the contract's)."""

QUANTITY_RULE = "must be a quantity such as 500Mi, 1000m, 1e3 or 2, below 2^63"
"""What to say of a text that is no quantity."""
QUOTA_RULE = "must be a number above 0 and at most 1"
"""What to say of a text that is no share."""

_SUFFIXES = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "P": Decimal(10**15),
    "E": Decimal(10**18),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
    "Pi": Decimal(2**50),
    "Ei": Decimal(2**60),
}
# `1E` is an exa, `1E3` a thousand: the exponent is tried first and needs a digit.
_QUANTITY = re.compile(
    r"(?P<number>[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))"
    rf"(?:[eE](?P<exponent>[+-]?[0-9]{{1,3}})|(?P<suffix>{'|'.join(_SUFFIXES)}))"
)

# Kubernetes keeps 63 bits and caps what is larger. A capped limit is a typing error, so it is
# refused here.
_MAX_QUANTITY = 2**63 - 1
# Kubernetes keeps nanos, and rounds what is finer away from zero.
_FINEST = Decimal("1e-9")

# Nothing sensible is longer, and arithmetic on what is costs time.
_MAX_LENGTH = 64
# Exact for any number of that length times any suffix.
_EXACT = Context(prec=128)


def parse_quantity(value: Quantity) -> Decimal:
    """Read a Kubernetes quantity: `500Mi`, `1000m`, `1e3`, `.5`, or a plain number.

    Finer than nanos is rounded away from zero, as Kubernetes does. May be negative or zero: whether
    that makes sense is for the caller to say.

    Raises:
        InvalidInputError: `value` is none, not finite, or beyond 2^63-1; the message is a clause
            that says what it may be.
    """
    text = _text(value)
    match = _QUANTITY.fullmatch(text) if len(text) <= _MAX_LENGTH else None
    if match is None:
        raise _refusal(text)
    number = Decimal(match["number"])
    if match["exponent"] is not None:
        amount = number.scaleb(int(match["exponent"]), _EXACT)
    else:
        amount = _EXACT.multiply(number, _SUFFIXES[match["suffix"]])
    if amount.copy_abs() > _MAX_QUANTITY:
        raise _refusal(text)
    if _EXACT.remainder(amount, _FINEST):
        amount = amount.quantize(_FINEST, ROUND_UP, _EXACT)
    return amount


def parse_quota(text: str) -> Decimal:
    """Read a share: a plain number above 0 and at most 1; empty text is the default share.

    Raises:
        InvalidInputError: `text` is none; the message is a clause that says what it may be.
    """
    if not text:
        return DEFAULT_RESOURCE_QUOTA
    try:
        quota = parse_quantity(text)
    except InvalidInputError:
        quota = Decimal(0)
    if not 0 < quota <= 1:
        raise InvalidInputError(f"{QUOTA_RULE}; got {text[:40]!r}")
    return quota


def scale_cpu(limit: Quantity, quota: Decimal) -> str:
    """Return a share of a CPU limit in whole millis, such as `100m`; rounded up, never zero.

    Raises:
        InvalidInputError: `limit` is no quantity.
    """
    millis = (parse_quantity(limit) * quota * 1000).to_integral_value(ROUND_CEILING)
    return f"{max(1, int(millis))}m"


def _text(value: Quantity) -> str:
    if isinstance(value, bool):
        # YAML's `yes`; Python's bool is an int.
        return str(value).lower()
    if isinstance(value, int) and abs(value) > _MAX_QUANTITY:
        # Python refuses to write integers of thousands of digits.
        return "a number that is too large"
    return str(value)


def _refusal(text: str) -> InvalidInputError:
    return InvalidInputError(f"{QUANTITY_RULE}; got {text[:40]!r}")
