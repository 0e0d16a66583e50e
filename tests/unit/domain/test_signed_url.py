import base64
import hashlib
import struct
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nexus_core.domain.errors import InvalidInputError
from nexus_core.domain.signed_url import (
    BadSignatureError,
    UrlExpiredError,
    UrlNotYetValidError,
    check_secret,
    sign,
    verify,
)

SECRET = b"a secret of tests"
PATH = "/data/v1/payloads/hello-world/requests/5e0b8a3c-2f1d-4c7e-9a6b-0d1e2f3a4b5c"
TENANT = "nexus"
CHECKSUM = "ZGVhZGJlZWY="
START = datetime(2026, 1, 1, tzinfo=UTC)
END = START + timedelta(hours=1)
NOW = START + timedelta(minutes=30)
FROM, TO = int(START.timestamp()), int(END.timestamp())


def a_query(
    path: str = PATH, tenant: str = TENANT, checksum: str = CHECKSUM, secret: bytes = SECRET
) -> dict[str, str]:
    text = sign(secret, path, tenant=tenant, checksum=checksum, start=FROM, end=TO)
    return dict(parse_qsl(text, keep_blank_values=True, strict_parsing=True))


def test_signs_what_the_contract_says() -> None:
    """The contract's words, followed with hashlib alone."""
    keyed = hashlib.blake2b(key=SECRET, digest_size=32)
    keyed.update(PATH.encode())
    keyed.update(TENANT.encode())
    keyed.update(CHECKSUM.encode())
    keyed.update(struct.pack("<Q", 1767225600))
    keyed.update(struct.pack("<Q", 1767229200))
    expected = base64.urlsafe_b64encode(keyed.digest()).decode().rstrip("=")

    query = sign(SECRET, PATH, tenant=TENANT, checksum=CHECKSUM, start=FROM, end=TO)

    assert query == (f"sig={expected}&from=1767225600&to=1767229200&tid=nexus&chk=ZGVhZGJlZWY%3D")


def test_opens_what_it_signed() -> None:
    verify(SECRET, PATH, a_query(), tenant=TENANT, now=NOW)


def test_an_empty_checksum_can_be_signed() -> None:
    verify(SECRET, PATH, a_query(checksum=""), tenant=TENANT, now=NOW)


@pytest.mark.parametrize("part", ["sig", "from", "to", "tid", "chk"])
@pytest.mark.parametrize(
    "change", ["missing", "empty", "longer", "shorter", "unicode", "surrogate"]
)
def test_refuses_a_query_that_was_tampered_with(part: str, change: str) -> None:
    query = a_query()
    value = query.pop(part)
    changed = {
        "empty": "",
        "longer": value + "0",
        "shorter": value[:-1],
        "unicode": value + "\u00e9\U0001f600",
        "surrogate": value + "\udc80",
    }
    if change != "missing":
        query[part] = changed[change]
    with pytest.raises(BadSignatureError):
        verify(SECRET, PATH, query, tenant=TENANT, now=NOW)


@pytest.mark.parametrize("part", ["from", "to"])
@pytest.mark.parametrize(
    "spelling", ["+{}", "0{}", " {}", "{} ", "{}.0", "{}\n", "-{}", "{}" + "0" * 30]
)
def test_refuses_another_spelling_of_the_same_time(part: str, spelling: str) -> None:
    query = a_query()
    query[part] = spelling.format(query[part])
    with pytest.raises(BadSignatureError):
        verify(SECRET, PATH, query, tenant=TENANT, now=NOW)


def test_refuses_a_signature_with_padding() -> None:
    query = a_query()
    query["sig"] += "="
    with pytest.raises(BadSignatureError):
        verify(SECRET, PATH, query, tenant=TENANT, now=NOW)


@pytest.mark.parametrize(
    "path",
    [
        PATH.replace("payloads", "results"),
        PATH.replace("-", "%2D"),
        PATH + "/",
        "/",
        PATH.replace("hello", "\udc80"),
    ],
)
def test_refuses_another_path(path: str) -> None:
    with pytest.raises(BadSignatureError):
        verify(SECRET, path, a_query(), tenant=TENANT, now=NOW)


def test_refuses_letters_that_wandered_over_the_border_of_a_part() -> None:
    query = a_query() | {"tid": TENANT[1:]}
    with pytest.raises(BadSignatureError):
        verify(SECRET, PATH + TENANT[0], query, tenant=TENANT, now=NOW)
    query = a_query() | {"tid": TENANT + CHECKSUM[0], "chk": CHECKSUM[1:]}
    with pytest.raises(BadSignatureError):
        verify(SECRET, PATH, query, tenant=TENANT, now=NOW)


def test_refuses_another_secret_and_another_tenant() -> None:
    with pytest.raises(BadSignatureError):
        verify(b"another", PATH, a_query(), tenant=TENANT, now=NOW)
    with pytest.raises(BadSignatureError):
        verify(SECRET, PATH, a_query(), tenant="another", now=NOW)


def test_is_valid_from_its_first_instant_until_before_its_last() -> None:
    query = a_query()
    instant = timedelta(microseconds=1)
    verify(SECRET, PATH, query, tenant=TENANT, now=START)
    verify(SECRET, PATH, query, tenant=TENANT, now=END - instant)
    with pytest.raises(UrlNotYetValidError):
        verify(SECRET, PATH, query, tenant=TENANT, now=START - instant)
    with pytest.raises(UrlExpiredError):
        verify(SECRET, PATH, query, tenant=TENANT, now=END)


def test_says_nothing_about_time_while_the_signature_is_wrong() -> None:
    with pytest.raises(BadSignatureError):
        verify(b"another", PATH, a_query(), tenant=TENANT, now=END + timedelta(days=1))


@pytest.mark.parametrize("secret", [b"x", b"x" * 64])
def test_takes_secrets_of_one_to_sixty_four_bytes(secret: bytes) -> None:
    check_secret(secret)
    verify(secret, PATH, a_query(secret=secret), tenant=TENANT, now=NOW)


@pytest.mark.parametrize("secret", [b"", b"x" * 65])
def test_refuses_secrets_that_cannot_sign(secret: bytes) -> None:
    with pytest.raises(InvalidInputError, match="must be 1 to 64 bytes"):
        check_secret(secret)


@given(path=st.text(), tenant=st.text(), checksum=st.text(), other=st.text())
def test_opens_what_it_signed_and_nothing_else(
    path: str, tenant: str, checksum: str, other: str
) -> None:
    query = a_query(path, tenant, checksum)
    verify(SECRET, path, query, tenant=tenant, now=NOW)
    assume(other != path)
    with pytest.raises(BadSignatureError):
        verify(SECRET, other, query, tenant=tenant, now=NOW)
