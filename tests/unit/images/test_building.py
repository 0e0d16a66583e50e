"""What builds are told: names, versions, and the builder's network."""

import tomllib
from pathlib import Path

from support.caller import REPOSITORY
from tools.images.building import SERVICES, image_of, network_secrets, version_of


def test_images_are_called_by_service_and_version() -> None:
    assert image_of("receiver", "0.1.0", {}) == "nexus-receiver:0.1.0"


def test_registry_and_tag_change_names() -> None:
    environment = {"REGISTRY": "registry.test/nexus/", "TAG": "next"}

    assert image_of("receiver", "0.1.0", environment) == "registry.test/nexus/nexus-receiver:next"


async def test_the_version_is_that_of_all_services_and_the_chart() -> None:
    version = (await version_of()).version

    for service in SERVICES:
        project = tomllib.loads((REPOSITORY / f"services/{service}/pyproject.toml").read_text())
        assert project["project"]["version"] == version
    assert f"appVersion: {version}\n" in (REPOSITORY / "deploy/charts/nexus/Chart.yaml").read_text()


def test_what_the_network_of_a_builder_asks_for_is_exported_to_its_commands(tmp_path: Path) -> None:
    index = "https://me:it's secret@index.test/simple"

    secrets = network_secrets(
        tmp_path, {"UV_DEFAULT_INDEX": index, "HOME": "/root", "UV_INDEX": ""}
    )

    assert secrets.keys() == {"network"}
    assert secrets["network"].read_text() == (
        """export UV_DEFAULT_INDEX='https://me:it'"'"'s secret@index.test/simple'\n"""
    )


def test_a_bundle_of_authorities_is_named_as_commands_find_it(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.touch()

    secrets = network_secrets(tmp_path, {"SSL_CERT_FILE": str(bundle)})

    assert secrets["ca"] == bundle
    lines = secrets["network"].read_text().splitlines()
    assert "export SSL_CERT_FILE=/run/secrets/ca" in lines
    assert "export PIP_CERT=/run/secrets/ca" in lines


def test_a_machine_with_nothing_of_its_own_passes_nonetwork_secrets(tmp_path: Path) -> None:
    assert network_secrets(tmp_path, {"SSL_CERT_FILE": str(tmp_path / "absent")}) == {}
