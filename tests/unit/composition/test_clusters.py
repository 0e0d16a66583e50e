"""Which clusters settings name, and what is said of those that can't be meant."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from nexus_core.composition.clusters import open_clusters
from nexus_core.settings.clusters import KubernetesSection, ProcessClusterSection
from nexus_core.settings.loader import SettingsError
from nexus_core.settings.sections import ServiceSettings
from support.clock import ManualClock
from support.kubeconfigs import a_kubeconfig

FOLDER = "shard-kube-config-path (NEXUS__SHARD_KUBE_CONFIG_PATH)"
SERVER = "https://127.0.0.1:1"


@pytest.mark.parametrize(
    ("said", "kubernetes"),
    [
        ({}, False),
        ({"cql_store_type": "scylla"}, True),
        ({"kube_config_path": "k"}, True),
        ({"shard_kube_config_path": "k"}, True),
        ({"cql_store_type": "scylla", "cluster_type": "process"}, False),
        ({"cluster_type": "kubernetes"}, True),
    ],
)
def test_jobs_run_on_this_machine_unless_something_says_otherwise(
    said: dict[str, Any], *, kubernetes: bool
) -> None:
    assert ServiceSettings(**said).uses_kubernetes is kubernetes


async def test_commands_of_jobs_need_a_folder_to_start_in(
    tmp_path: Path, clock: ManualClock
) -> None:
    absent = tmp_path / "absent"
    settings = ServiceSettings(
        data_path=str(tmp_path),
        process_cluster=ProcessClusterSection(working_directory=str(absent)),
    )
    with pytest.raises(SettingsError) as told:
        async with open_clusters(settings, clock):
            pass
    assert str(told.value) == (
        "process-cluster.working-directory (NEXUS__PROCESS_CLUSTER__WORKING_DIRECTORY): "
        f"must be a folder; {absent} is none"
    )


async def test_each_kubeconfig_of_a_folder_is_a_cluster_though_it_can_not_be_reached(
    tmp_path: Path, clock: ManualClock
) -> None:
    for name in ("eu.kubeconfig", "us-1.kubeconfig", "notes.txt"):
        a_kubeconfig(tmp_path / name, SERVER, token="t")
    settings = ServiceSettings(shard_kube_config_path=str(tmp_path))
    async with open_clusters(settings, clock) as clusters:
        assert {name: cluster.name for name, cluster in clusters.items()} == {
            "eu": "eu",
            "us-1": "us-1",
        }


async def test_without_a_folder_the_one_cluster_is_called_as_the_settings_say(
    tmp_path: Path, clock: ManualClock
) -> None:
    path = a_kubeconfig(tmp_path / "k", SERVER, token="t")
    settings = ServiceSettings(kube_config_path=str(path))
    named = KubernetesSection(cluster_name="eu")
    async with open_clusters(
        ServiceSettings(kube_config_path=str(path), kubernetes=named), clock
    ) as clusters:
        assert list(clusters) == ["eu"]

    with pytest.raises(SettingsError) as told:
        async with open_clusters(settings, clock):
            pass
    assert str(told.value).startswith(
        "kubernetes.cluster-name (NEXUS__KUBERNETES__CLUSTER_NAME): must say what workgroups call "
    )


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        (None, "{folder} can't be read: No such file or directory"),
        ([], "{folder} holds no file <cluster name>.kubeconfig"),
        (["EU.kubeconfig"], "{folder}/EU.kubeconfig: the name of a cluster must be a lower-case"),
        ([".kubeconfig"], "{folder}/.kubeconfig: the name of a cluster must be a lower-case"),
    ],
)
def test_a_folder_that_can_not_be_meant_stops_the_start(
    tmp_path: Path, clock: ManualClock, files: list[str] | None, complaint: str
) -> None:
    folder = tmp_path / "shards"
    if files is not None:
        folder.mkdir()
    for name in files or ():
        a_kubeconfig(folder / name, SERVER, token="t")

    expected = f"{FOLDER}: {complaint.format(folder=folder)}"
    assert refusal(ServiceSettings(shard_kube_config_path=str(folder)), clock).startswith(expected)


def test_a_kubeconfig_that_is_not_sound_stops_the_start_with_one_line(
    tmp_path: Path, clock: ManualClock
) -> None:
    a_kubeconfig(tmp_path / "good.kubeconfig", SERVER, token="t")
    bad = tmp_path / "bad.kubeconfig"
    bad.write_text("clusters: [\n")

    said = refusal(ServiceSettings(shard_kube_config_path=str(tmp_path)), clock)

    assert said.startswith(f"{FOLDER}: kubeconfig {bad}: is not YAML: ")
    assert "\n" not in said


def test_outside_of_a_pod_the_cluster_must_be_named_by_a_file(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    named = KubernetesSection(cluster_name="eu")
    said = refusal(ServiceSettings(cluster_type="kubernetes", kubernetes=named), clock)
    assert said == (
        "cluster-type (NEXUS__CLUSTER_TYPE): the cluster that this process runs in: "
        "KUBERNETES_SERVICE_HOST is not set, so this is no pod"
    )


def test_a_folder_of_clusters_and_processes_contradict_each_other(clock: ManualClock) -> None:
    settings = ServiceSettings(cluster_type="process", shard_kube_config_path="shards")
    assert "says 'process'" in refusal(settings, clock)


def refusal(settings: ServiceSettings, clock: ManualClock) -> str:
    async def open_them() -> None:
        async with open_clusters(settings, clock):
            pass

    with pytest.raises(SettingsError) as told:
        asyncio.run(open_them())
    return str(told.value)


async def test_the_token_of_a_pod_is_looked_for_where_the_setting_says(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    section = KubernetesSection(cluster_name="eu", service_account_path=str(tmp_path))
    settings = ServiceSettings(cluster_type="kubernetes", kubernetes=section)

    with pytest.raises(SettingsError, match=f"{tmp_path / 'token'} can't be read"):
        async with open_clusters(settings, clock):
            raise AssertionError("opened without a token")
