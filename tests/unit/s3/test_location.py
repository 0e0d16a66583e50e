import uuid

import pytest

from nexus_core.adapters.s3.location import Location
from nexus_core.domain.errors import InvalidInputError
from nexus_core.domain.names import RunKey
from nexus_core.ports.payload_store import Content

RUN = RunKey("hello-world", str(uuid.UUID(int=7)))


@pytest.mark.parametrize("scheme", ["s3", "s3a"])
@pytest.mark.parametrize(
    ("rest", "prefix"),
    [
        ("a-bucket", ""),
        ("a-bucket/", ""),
        ("a-bucket/nexus", "nexus/"),
        ("a-bucket/nexus/payloads/", "nexus/payloads/"),
        ("a-bucket/with space", "with space/"),
    ],
)
def test_content_lies_where_the_contract_says(scheme: str, rest: str, prefix: str) -> None:
    location = Location.parse(f"{scheme}://{rest}")
    key = f"{prefix}algorithm=hello-world/{RUN.request_id}"
    assert location.bucket == "a-bucket"
    assert location.key(Content.PAYLOAD, RUN) == key
    assert location.uri(Content.PAYLOAD, RUN) == f"s3a://a-bucket/{key}"
    assert location.uri(Content.RESULT, RUN) == f"s3a://a-bucket/{key}.result"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "s3a://",
        "s3a:a-bucket",
        "s3n://a-bucket",
        "s3a:///prefix",
        "s3a://ab",
        "s3a://a bucket",
        "s3a://a-bucket/a//b",
        "s3a://a-bucket/../b",
        "s3a://a-bucket/a\nb",
        "s3a://a-bucket/" + 801 * "x",
    ],
)
def test_refuses_what_names_no_place(url: str) -> None:
    with pytest.raises(InvalidInputError):
        Location.parse(url)


def test_a_name_that_leads_elsewhere_is_no_key() -> None:
    with pytest.raises(InvalidInputError):
        Location("a-bucket").key(Content.PAYLOAD, RunKey("../other", RUN.request_id))
