"""Reaching clusters as they are configured, and what is said where that does not work."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import yaml

from nexus_core.adapters.kubernetes.cluster import KubernetesCluster
from nexus_core.adapters.kubernetes.connection import Connection
from nexus_core.adapters.kubernetes.kubeconfig import KubeconfigFile
from nexus_core.aio.clock import SystemClock
from nexus_core.composition.clusters import open_clusters
from nexus_core.domain.errors import ConflictError, UnavailableError
from nexus_core.domain.names import RunKey
from nexus_core.settings.sections import ServiceSettings
from nexus_core.web.probes import Health
from support.clock import ManualClock
from support.clusters import FOR_EVER, PATIENCE, a_job, a_manifest, a_run_key
from support.custom_resources import connected_by, own_namespace, told
from support.kubeconfigs import PRINT, a_plugin
from support.kubernetes import TidyCluster, tidy_cluster
from tools.testbed.description import KubernetesDescription
from tools.testbed.ports import free_ports

pytestmark = pytest.mark.integration


@pytest.fixture
async def cluster(kubernetes_server: KubernetesDescription) -> AsyncIterator[TidyCluster]:
    path = Path(kubernetes_server.nexus_kubeconfig)
    async with tidy_cluster(path, kubernetes_server.namespace) as cluster:
        yield cluster


def settings_of(server: KubernetesDescription, folder: Path) -> ServiceSettings:
    return ServiceSettings(
        cluster_type="kubernetes",
        shard_kube_config_path=str(folder),
        runtime_namespace=server.namespace,
    )


async def test_a_job_that_somebody_else_made_is_a_conflict_and_is_left_alone(
    kubernetes_server: KubernetesDescription, cluster: TidyCluster
) -> None:
    key = a_run_key()
    foreign = a_job(key, FOR_EVER)
    foreign["metadata"]["labels"] = {"app": "else"}
    path = f"/apis/batch/v1/namespaces/{kubernetes_server.namespace}/jobs"
    async with connected_by(kubernetes_server.kubeconfig) as administrator:
        told(await administrator.request("POST", path, body=msgspec.json.encode(foreign)))
        try:
            with pytest.raises(ConflictError):
                await cluster.create_job(key, a_manifest(key))
            assert await cluster.find_job(key) is None
            assert not await cluster.delete_job(key)
            told(await administrator.request("GET", f"{path}/{key.request_id}"))
        finally:
            told(await administrator.request("DELETE", f"{path}/{key.request_id}"))


async def test_without_rights_no_run_fails_and_the_right_is_named(
    kubernetes_server: KubernetesDescription,
) -> None:
    path, key = Path(kubernetes_server.denied_kubeconfig), a_run_key()
    async with tidy_cluster(path, kubernetes_server.namespace) as cluster:
        with pytest.raises(UnavailableError) as refused:
            await cluster.create_job(key, a_manifest(key))
        with pytest.raises(UnavailableError) as unready:
            await cluster.ping()
        cluster.created.clear()

    assert str(refused.value).startswith(f"kubeconfig {path}: can't create Jobs there: ")
    assert 'cannot create resource "jobs"' in str(refused.value)
    assert 'cannot list resource "jobs"' in str(unready.value)


async def test_an_exhausted_quota_is_waited_for(
    kubernetes_server: KubernetesDescription,
) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "few"},
        "spec": {"hard": {"count/jobs.batch": "1"}},
    }
    path = Path(kubernetes_server.kubeconfig)
    async with (
        connected_by(path) as administrator,
        own_namespace(administrator) as place,
        tidy_cluster(path, place.namespace) as cluster,
    ):
        quotas = f"/api/v1/namespaces/{place.namespace}/resourcequotas"
        told(await administrator.request("POST", quotas, body=msgspec.json.encode(quota)))
        refused, why = await _created_until_refused(cluster)
        assert "can't create Jobs there: " in str(why)
        assert "quota" in str(why)

        for key in cluster.created:
            await cluster.delete_job(key)
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    await cluster.create_job(refused, a_manifest(refused, FOR_EVER))
                except UnavailableError:
                    await asyncio.sleep(0.1)
                else:
                    break
        assert await cluster.find_job(refused) is not None


async def _created_until_refused(cluster: TidyCluster) -> tuple[RunKey, UnavailableError]:
    """Create Jobs until one too many is refused: a new quota is not known to the server at once."""
    async with asyncio.timeout(PATIENCE):
        while True:
            key = a_run_key()
            try:
                await cluster.create_job(key, a_manifest(key, FOR_EVER))
            except UnavailableError as error:
                return key, error


async def test_an_expired_client_certificate_is_named(
    kubernetes_server: KubernetesDescription,
) -> None:
    path = Path(kubernetes_server.expired_kubeconfig)
    async with tidy_cluster(path, kubernetes_server.namespace) as cluster:
        with pytest.raises(UnavailableError) as refused:
            await cluster.ping()
    assert str(refused.value).startswith(f"kubeconfig {path}: the client certificate of user ")
    assert " expired at 20" in str(refused.value)


async def test_a_token_that_is_refused_is_replaced_by_its_plugin(
    kubernetes_server: KubernetesDescription, tmp_path: Path
) -> None:
    """The plug-in's first token is none; what it hands out next is good."""
    config = yaml.safe_load(read(kubernetes_server.nexus_kubeconfig))
    (user,) = config["users"]
    token = user["user"].pop("token")
    user["user"]["exec"] = a_plugin(
        tmp_path, f"{PRINT}say(token={token!r} if count() > 1 else 'stale')"
    )
    path = write(tmp_path / "eu.kubeconfig", yaml.safe_dump(config))
    clock = ManualClock()
    key = a_run_key()
    async with Connection.open(
        KubeconfigFile(path), clock, connections=4, patience=15
    ) as connection:
        cluster = KubernetesCluster("eu", connection, clock, namespace=kubernetes_server.namespace)
        with pytest.raises(UnavailableError, match="does not accept the credentials of user"):
            # Handed out just now, it is not asked for again at once.
            await cluster.ping()
        await clock.advance(5)
        await cluster.create_job(key, a_manifest(key))
        assert await cluster.delete_job(key)
    assert read(tmp_path / "plugin.count") == "2"


async def test_each_file_of_a_folder_is_a_cluster_with_connections_of_its_own(
    kubernetes_server: KubernetesDescription,
) -> None:
    folder = Path(kubernetes_server.shards_folder)
    async with open_clusters(settings_of(kubernetes_server, folder), SystemClock()) as clusters:
        assert set(clusters) == {"shard-0", "shard-1"}
        for name, cluster in clusters.items():
            assert cluster.name == name
            await cluster.ping()


async def test_a_cluster_that_is_away_does_not_keep_others_from_being_ready(
    kubernetes_server: KubernetesDescription, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    good = read(kubernetes_server.nexus_kubeconfig)
    away = yaml.safe_load(good)
    away["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{port}"
    write(tmp_path / "good.kubeconfig", good)
    write(tmp_path / "away.kubeconfig", yaml.safe_dump(away))
    health, key = Health(), a_run_key()
    async with open_clusters(settings_of(kubernetes_server, tmp_path), SystemClock()) as clusters:
        for name, cluster in clusters.items():
            health.watch(name, cluster.ping)

        readiness = await health.readiness()
        with pytest.raises(UnavailableError):
            await clusters["away"].create_job(key, a_manifest(key))

    assert readiness.parts["good"].ready
    assert readiness.parts["away"].reason == (
        f"kubeconfig {tmp_path / 'away.kubeconfig'}: API server https://127.0.0.1:{port} "
        "can't be reached: Connect call failed ('127.0.0.1', "
        f"{port})"
    )


def read(path: str | Path) -> str:
    return Path(path).read_text()


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path
