"""The bill of materials of each image."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from cyclonedx.model.bom import Bom

from support.containers import PORTS, Containers
from tools.images.building import Version
from tools.images.sbom import bill

pytestmark = pytest.mark.engine

every_service = pytest.mark.parametrize("service", PORTS)

INSTALLED = """
import importlib.metadata, json
print(json.dumps([[one.name, one.version] for one in importlib.metadata.distributions(
    path=["/opt/nexus/lib/python3.11/site-packages"])]))
"""


def _components(listed: str, kind: str) -> dict[str, dict[str, Any]]:
    return {
        one["name"]: one
        for one in msgspec.json.decode(listed)["components"]
        if one["purl"].startswith(f"pkg:{kind}/")
    }


@every_service
async def test_it_lists_the_python_packages_that_the_image_itself_finds(
    service: str, version: Version, archive: Path, containers: Containers
) -> None:
    listed = _components(bill(service, version, archive), "pypi")
    found = msgspec.json.decode(await containers.python(INSTALLED, service=service))

    assert {name: one["version"] for name, one in listed.items()} == dict(found)
    assert {"nexus-core", f"nexus-{service}", "acsylla", "aiohttp"} <= listed.keys()
    assert "pytest" not in listed
    assert [name for name, one in listed.items() if not one.get("licenses")] == []


@every_service
def test_it_lists_the_packages_of_debian_with_their_licences(
    service: str, version: Version, archive: Path
) -> None:
    listed = _components(bill(service, version, archive), "deb")

    assert {"libc6", "libssl3", "python3.11-minimal", "tini"} <= listed.keys()
    assert ("dash" in listed) == (service == "standalone")
    assert all(one["version"] for one in listed.values())
    assert listed["tini"]["licenses"]


@every_service
def test_it_can_be_read_back_and_is_the_same_for_the_same_image(
    service: str, version: Version, archive: Path
) -> None:
    listed = bill(service, version, archive)

    read = Bom.from_json(  # type: ignore[attr-defined] # a decorator brings it
        msgspec.json.decode(listed)
    )
    assert read.metadata.component is not None
    assert read.metadata.component.name == f"nexus-{service}"
    assert len(read.components) == len(msgspec.json.decode(listed)["components"])
    assert bill(service, version, archive) == listed
