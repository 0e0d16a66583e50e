"""Where templates and workgroups come from, by settings."""

from pathlib import Path

import pytest

from nexus_core.adapters.folder.catalogue import FolderCatalogue
from nexus_core.adapters.kubernetes.catalogue import KubernetesCatalogue
from nexus_core.composition.catalogue import open_catalogue
from nexus_core.domain.errors import UnavailableError
from nexus_core.settings.loader import SettingsError
from nexus_core.settings.sections import CatalogueSection, ServiceSettings
from support.clock import ManualClock

KUBECONFIG = """
current-context: here
contexts: [{name: here, context: {cluster: here}}]
clusters: [{name: here, cluster: {server: "http://127.0.0.1:1"}}]
"""


@pytest.mark.parametrize(
    ("settings", "custom_resources"),
    [
        (ServiceSettings(), False),
        (ServiceSettings(kube_config_path="x"), True),
        (ServiceSettings(kube_config_path="x", cluster_type="process"), True),
        (ServiceSettings(shard_kube_config_path="x"), True),
        (ServiceSettings(cql_store_type="scylla"), True),
        (ServiceSettings(cql_store_type="scylla", cluster_type="process"), False),
        (
            ServiceSettings(kube_config_path="x", catalogue=CatalogueSection(source="folder")),
            False,
        ),
        (ServiceSettings(catalogue=CatalogueSection(source="kubernetes")), True),
    ],
)
def test_resources_come_from_where_jobs_go_unless_told_otherwise(
    settings: ServiceSettings, *, custom_resources: bool
) -> None:
    assert settings.reads_custom_resources == custom_resources


async def test_folders_are_what_one_begins_with(tmp_path: Path) -> None:
    settings = ServiceSettings(catalogue=CatalogueSection(paths=(str(tmp_path),)))
    async with open_catalogue(settings, ["standalone"], ManualClock()) as catalogue:
        assert isinstance(catalogue, FolderCatalogue)


async def test_a_server_that_can_not_be_reached_is_told_by_readiness(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(KUBECONFIG)
    settings = ServiceSettings(kube_config_path=str(kubeconfig))
    async with open_catalogue(settings, ["shard-0"], ManualClock()) as catalogue:
        assert isinstance(catalogue, KubernetesCatalogue)
        with pytest.raises(UnavailableError, match=r"http://127.0.0.1:1 can't be reached"):
            await catalogue.ping()
        assert list(catalogue.templates()) == []


async def test_a_kubeconfig_that_is_not_there_stops_the_start_by_its_setting(
    tmp_path: Path,
) -> None:
    settings = ServiceSettings(kube_config_path=str(tmp_path / "none"))
    with pytest.raises(
        SettingsError, match=r"kube-config-path \(NEXUS__KUBE_CONFIG_PATH\): .*none"
    ):
        async with open_catalogue(settings, [], ManualClock()):
            pass


async def test_outside_of_a_cluster_the_setting_that_needs_one_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    settings = ServiceSettings(catalogue=CatalogueSection(source="kubernetes"))
    with pytest.raises(SettingsError, match=r"catalogue.source \(NEXUS__CATALOGUE__SOURCE\): "):
        async with open_catalogue(settings, [], ManualClock()):
            pass
