"""Names and ids, and the types that say the same of them to readers of the API."""

import re

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nexus_core.domain.names import RequestId, ResourceName, is_request_id, is_resource_name

REQUEST_ID = "0199c3a4-5b00-7000-8000-000000000001"

# Of the letters that matter, so that a good part of what is drawn is a name.
almost_names = st.text(st.sampled_from("ab0-.A_/ "), max_size=66)


@given(almost_names)
@example("a" * 63)
@example("a" * 64)
@example("a.-b")
@example("a\n")
@example("é")
@example("")
def test_name_is_lower_case_dns_of_at_most_63_characters(text: str) -> None:
    dns = re.fullmatch(r"[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?", text)

    assert is_resource_name(text) == (dns is not None and ".." not in text)


@given(almost_names)
@example("a" * 63)
@example("a" * 64)
@example("a.-b")
def test_type_takes_what_is_a_name(text: str) -> None:
    assert takes(ResourceName, text) == is_resource_name(text)


@pytest.mark.parametrize(
    "text", [REQUEST_ID, REQUEST_ID.upper(), REQUEST_ID[:-1], REQUEST_ID + "0", "", "../etc/passwd"]
)
def test_type_takes_what_is_an_id(text: str) -> None:
    assert takes(RequestId, text) == is_request_id(text) == (text == REQUEST_ID)


def takes(kind: object, text: str) -> bool:
    try:
        msgspec.convert(text, kind)
    except msgspec.ValidationError:
        return False
    return True
