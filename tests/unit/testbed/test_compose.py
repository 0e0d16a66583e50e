"""The servers in containers are described as tests expect it."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest
import yaml

from tools.testbed.description import Description

FILE = Path("deploy/compose/backends.yaml")


@pytest.fixture(scope="module")
def description() -> Description:
    """What the comment says to write into `testbed.json`."""
    text = FILE.read_text(encoding="utf-8")
    comment = "\n".join(line.removeprefix("#") for line in text.splitlines() if line[:1] == "#")
    return msgspec.json.decode(comment[comment.index("{") :], type=Description)


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = yaml.safe_load(FILE.read_text(encoding="utf-8"))[
        "services"
    ]
    return found


def test_the_description_leads_to_the_ports_that_are_published(
    description: Description, services: dict[str, dict[str, object]]
) -> None:
    assert description.cassandra
    assert description.s3
    endpoint = urlsplit(description.s3.endpoint)
    assert services["cassandra"]["ports"] == [f"127.0.0.1:{description.cassandra.port}:9042"]
    assert services["s3"]["ports"] == [f"127.0.0.1:{endpoint.port}:7070"]


def test_the_description_names_the_users_that_are_made(
    description: Description, services: dict[str, dict[str, object]]
) -> None:
    assert description.cassandra
    assert description.s3
    assert services["s3"]["environment"] == {
        "ROOT_ACCESS_KEY_ID": description.s3.access_key_id,
        "ROOT_SECRET_ACCESS_KEY": description.s3.secret_access_key,
    }
    denied = description.s3.denied_access_key_id, description.s3.denied_secret_access_key
    assert "--access {} --secret {}".format(*denied) in str(services["s3-denied"])
    reader = str(services["cassandra-reader"])
    assert f"EXISTS {description.cassandra.reader_user} " in reader
    assert description.cassandra.reader_password in reader
    start = str(services["s3"]["entrypoint"])
    assert f"/{description.s3.bucket} " in start
    assert f"--region {description.s3.region} " in start


def test_images_are_pinned_and_ports_are_on_loopback(
    services: dict[str, dict[str, object]],
) -> None:
    for service in services.values():
        assert re.fullmatch(r"[a-z/]+:v?\d+\.\d+(\.\d+)?", str(service["image"]))
        for port in msgspec.convert(service.get("ports", []), list[str]):
            assert port.startswith("127.0.0.1:")
