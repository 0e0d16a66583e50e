import stat
from pathlib import Path

import pytest

from tools.testbed.description import (
    Description,
    S3Description,
    read_description,
    write_description,
)
from tools.testbed.errors import TestbedError
from tools.testbed.places import Places

_S3 = S3Description(
    endpoint="http://127.0.0.1:9000",
    access_key_id="key",
    secret_access_key="secret",
    region="eu-central-1",
    bucket="payloads",
    denied_access_key_id="other",
    denied_secret_access_key="hidden",
    pid=7,
)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path, tmp_path)


def test_what_was_written_is_read(places: Places) -> None:
    written = Description().having("s3", _S3)

    write_description(places, written)

    assert read_description(places) == written
    assert written.part("s3") == _S3
    assert written.part("cassandra") is None


def test_a_server_that_was_stopped_is_not_described(places: Places) -> None:
    write_description(places, Description(s3=_S3).having("s3", None))

    assert "s3" not in places.description.read_text()


def test_nothing_is_described_where_no_testbed_runs(places: Places) -> None:
    assert read_description(places) == Description()


def test_passwords_are_for_their_owner_alone(places: Places) -> None:
    write_description(places, Description(s3=_S3))

    assert stat.S_IMODE(places.description.stat().st_mode) == 0o600


def test_a_description_that_lacks_something_is_refused_with_its_name(places: Places) -> None:
    places.description.write_text('{"s3": {"endpoint": "http://127.0.0.1:9000"}}')

    with pytest.raises(TestbedError, match=r"testbed\.json.*access_key_id"):
        read_description(places)
