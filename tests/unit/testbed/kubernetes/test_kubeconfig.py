import base64
import ssl
from pathlib import Path

import pytest
import yaml
from kubernetes_asyncio import client, config

from tools.testbed.certificates import Authority
from tools.testbed.kubernetes import kubeconfig
from tools.testbed.kubernetes.kubeconfig import Endpoint

URL = "https://127.0.0.1:6443"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "certificates")


async def loaded(path: Path) -> client.Configuration:
    configuration = client.Configuration()
    await config.load_kube_config(str(path), client_configuration=configuration)
    return configuration


async def test_a_certificate_comes_with_its_file(authority: Authority, tmp_path: Path) -> None:
    certificate = authority.issue("somebody")
    content = kubeconfig.with_certificate(
        Endpoint(URL, authority.certificate), certificate, cluster="shard-0"
    )
    certificate.certificate.unlink()
    certificate.key.unlink()

    found = await loaded(kubeconfig.write(tmp_path / "some.kubeconfig", content))

    assert found.host == URL
    context = ssl.create_default_context(cafile=found.ssl_ca_cert)
    assert found.cert_file
    context.load_cert_chain(found.cert_file, found.key_file)


async def test_a_token_is_sent_as_a_bearer_token(authority: Authority, tmp_path: Path) -> None:
    content = kubeconfig.with_token(
        Endpoint(URL, authority.certificate), "a-token", cluster="shard-1", namespace="runs"
    )

    found = await loaded(kubeconfig.write(tmp_path / "some.kubeconfig", content))

    assert found.api_key == {"BearerToken": "Bearer a-token"}
    (context,) = yaml.safe_load(content)["contexts"]
    assert context["context"]["namespace"] == "runs"
    assert context["name"] == yaml.safe_load(content)["current-context"] == "shard-1"


def test_the_authority_is_that_of_the_endpoint(authority: Authority) -> None:
    content = kubeconfig.with_token(
        Endpoint(URL, authority.certificate), "a-token", cluster="a", namespace="b"
    )

    (cluster,) = yaml.safe_load(content)["clusters"]
    ca = base64.b64decode(cluster["cluster"]["certificate-authority-data"])
    assert ca == authority.certificate.read_bytes()


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    path = kubeconfig.write(tmp_path / "new" / "some.kubeconfig", "{}")

    assert path.stat().st_mode & 0o777 == 0o600
