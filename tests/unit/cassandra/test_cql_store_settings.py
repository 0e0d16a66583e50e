"""What the settings of Go deployments, and ours beside them, become."""

import base64
import io
import zipfile
from pathlib import Path

import pytest
import trustme

from nexus_core.adapters.cassandra.connect import DriverName
from nexus_core.adapters.cassandra.plan import AwsLogin, Login
from nexus_core.composition.cql_store import CqlStore, cql_store
from nexus_core.settings.loader import SettingsError, load
from nexus_core.settings.sections import ServiceSettings

SCYLLA = {"CQL_STORE_TYPE": "scylla", "SCYLLA_CQL_STORE__HOSTS": "10.0.0.1,10.0.0.2"}
KEYSPACES = {
    "CQL_STORE_TYPE": "keyspaces",
    "KEYSPACES_CQL_STORE__HOSTS": "cassandra.eu-central-1.amazonaws.com",
    "KEYSPACES_CQL_STORE__REGION": "eu-central-1",
}


def read(**variables: str) -> CqlStore:
    environ = {f"NEXUS__{name}": text for name, text in variables.items()}
    return cql_store(load(ServiceSettings, environ))


@pytest.fixture
def pems(tmp_path: Path) -> Path:
    """A folder with `ca.pem`, and two clients' certificates and keys."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    for name in ("client", "other"):
        issued = authority.issue_cert("nexus")
        issued.cert_chain_pems[0].write_to_path(tmp_path / f"{name}.pem")
        issued.private_key_pem.write_to_path(tmp_path / f"{name}.key")
    (tmp_path / "junk.pem").write_text("junk", encoding="ascii")
    return tmp_path


def bundle(**members: str) -> str:
    """A secure connection bundle in base64."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in members.items():
            archive.writestr({"config": "config.json", "ca": "ca.crt"}.get(name, name), text)
    return base64.b64encode(content.getvalue()).decode()


SOUND = {
    "config": '{"host": "x.astra.datastax.com", "port": 29080}',
    "ca": "",
    "cert": "",
    "key": "",
}


def test_a_cluster_of_scylla_as_go_deployments_name_it() -> None:
    store = read(
        **SCYLLA,
        SCYLLA_CQL_STORE__USER="nexus",
        SCYLLA_CQL_STORE__PASSWORD="secret",
        SCYLLA_CQL_STORE__LOCAL_DC="dc1",
        SCYLLA_CQL_STORE__INDEXES_SUPPORTED="true",
    )
    assert store.plan.hosts == ("10.0.0.1", "10.0.0.2")
    assert store.plan.port == 9042
    assert store.plan.login == Login("nexus", "secret")
    assert (store.plan.local_dc, store.plan.keyspace, store.plan.tls) == ("dc1", "nexus", None)
    assert store.indexed
    assert store.driver is DriverName.ACSYLLA


def test_secrets_do_not_show() -> None:
    store = read(**SCYLLA, SCYLLA_CQL_STORE__USER="nexus", SCYLLA_CQL_STORE__PASSWORD="a-secret")
    assert "a-secret" not in repr(store)
    astra = read(
        CQL_STORE_TYPE="astra", ASTRA_CQL_STORE__SECURE_CONNECTION_BUNDLE_BASE64=bundle(**SOUND)
    )
    assert "config.json" not in repr(astra)


@pytest.mark.parametrize(
    ("hosts", "found", "port"),
    [
        ("a", ("a",), 9042),
        ("a:9142,b:9142", ("a", "b"), 9142),
        ("::1", ("::1",), 9042),
        ("[::1]:9142", ("::1",), 9142),
        ("fe80::1,[fe80::2]", ("fe80::1", "fe80::2"), 9042),
        ("node-1.nexus.svc:9043", ("node-1.nexus.svc",), 9043),
    ],
)
def test_hosts_may_bring_their_port(hosts: str, found: tuple[str, ...], port: int) -> None:
    plan = read(CQL_STORE_TYPE="scylla", SCYLLA_CQL_STORE__HOSTS=hosts).plan
    assert (plan.hosts, plan.port) == (found, port)


@pytest.mark.parametrize(
    ("variable", "text", "said"),
    [
        ("HOSTS", "", "must name at least one host"),
        ("HOSTS", "a:1,b:2", "must all have the same port"),
        ("HOSTS", "http://a", "'http://a' must be a host, or host:port"),
        ("KEYSPACE", "a-b", "must be letters, digits and underscores"),
        ("CA_PATH", "/nowhere/ca.pem", "/nowhere/ca.pem can't be read: No such file"),
        ("CERTIFICATE_PATH", "/nowhere/c.pem", "certificate and key go together"),
        ("KEY_PATH", "/nowhere/c.key", "certificate and key go together"),
    ],
)
def test_a_bad_setting_is_named_with_its_variable(variable: str, text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=r"^scylla-cql-store\.") as caught:
        read(**SCYLLA | {f"SCYLLA_CQL_STORE__{variable}": text})
    assert said in str(caught.value)
    assert "(NEXUS__SCYLLA_CQL_STORE__" in str(caught.value)


def test_tls_with_a_client_certificate(pems: Path) -> None:
    tls = read(
        **SCYLLA,
        SCYLLA_CQL_STORE__CA_PATH=str(pems / "ca.pem"),
        SCYLLA_CQL_STORE__CERTIFICATE_PATH=str(pems / "client.pem"),
        SCYLLA_CQL_STORE__KEY_PATH=str(pems / "client.key"),
    ).plan.tls
    assert tls
    assert (tls.certificate, tls.key) == (pems / "client.pem", pems / "client.key")
    assert not tls.verify_address


@pytest.mark.parametrize(
    ("ca", "certificate", "key", "said"),
    [
        ("junk.pem", "client.pem", "client.key", "junk.pem holds no certificate in PEM"),
        ("ca.pem", "junk.pem", "client.key", "are no certificate and key in PEM"),
        ("ca.pem", "client.pem", "other.key", "other.key is not the key of"),
        ("ca.pem", "client.pem", "nowhere.key", "nowhere.key can't be read"),
    ],
)
def test_a_bad_certificate_is_named(
    pems: Path, ca: str, certificate: str, key: str, said: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        read(
            **SCYLLA,
            SCYLLA_CQL_STORE__CA_PATH=str(pems / ca),
            SCYLLA_CQL_STORE__CERTIFICATE_PATH=str(pems / certificate),
            SCYLLA_CQL_STORE__KEY_PATH=str(pems / key),
        )
    assert said in str(caught.value)


def test_a_certificate_without_an_authority_is_refused(pems: Path) -> None:
    with pytest.raises(SettingsError, match=r"ca-path .* without it there is no TLS"):
        read(
            **SCYLLA,
            SCYLLA_CQL_STORE__CERTIFICATE_PATH=str(pems / "client.pem"),
            SCYLLA_CQL_STORE__KEY_PATH=str(pems / "client.key"),
        )


def test_tuning_is_common_to_all() -> None:
    store = read(
        **SCYLLA,
        CQL__DRIVER="datastax",
        CQL__MAX_IN_FLIGHT="7",
        CQL__REQUEST_TIMEOUT="3s",
        CQL__CONNECT_TIMEOUT="2s",
    )
    assert store.driver is DriverName.DATASTAX
    assert (store.limits.in_flight, store.limits.request_seconds) == (7, 3.0)
    assert store.plan.connect_seconds == 2.0


def test_an_astra_database() -> None:
    store = read(
        CQL_STORE_TYPE="astra",
        ASTRA_CQL_STORE__SECURE_CONNECTION_BUNDLE_BASE64=bundle(**SOUND),
        ASTRA_CQL_STORE__GATEWAY_USER="token",
        ASTRA_CQL_STORE__GATEWAY_PASSWORD="AstraCS:x",
    )
    assert store.bundle
    assert store.plan.login == Login("token", "AstraCS:x")
    assert store.plan.keyspace == "nexus"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("§", "is not base64"),
        (base64.b64encode(b"no zip").decode(), "is no zip"),
        (base64.b64encode(base64.b64decode(bundle(**SOUND))[:100]).decode(), "is no zip"),
        (bundle(config="{}", ca=""), "lacks cert, key"),
        (bundle(**SOUND | {"config": "{"}), "config.json that can't be read"),
        (bundle(**SOUND | {"config": '{"host": "x"}'}), "config.json that can't be read"),
        ("", "is no zip"),
    ],
    # Not the bundles themselves: each process that collects this makes them at another time.
    ids=["text", "no zip", "half a zip", "files", "syntax", "fields", "nothing"],
)
def test_a_broken_bundle_says_how(text: str, said: str) -> None:
    with pytest.raises(SettingsError, match="secure-connection-bundle-base64") as caught:
        read(CQL_STORE_TYPE="astra", ASTRA_CQL_STORE__SECURE_CONNECTION_BUNDLE_BASE64=text)
    assert said in str(caught.value)


def test_keyspaces_with_a_role(pems: Path) -> None:
    store = read(
        **KEYSPACES,
        KEYSPACES_CQL_STORE__CA_PATH=str(pems / "ca.pem"),
        KEYSPACES_CQL_STORE__USE_IRSA="true",
        KEYSPACES_CQL_STORE__KEYSPACE="nexus_prod",
    )
    assert store.plan.login == AwsLogin("eu-central-1", "", "")
    assert store.driver is DriverName.DATASTAX
    assert (store.plan.port, store.plan.local_dc) == (9142, "eu-central-1")
    assert store.plan.keyspace == "nexus_prod"
    assert not store.indexed


def test_keyspaces_with_a_key_of_the_environment(
    pems: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYSPACES_AWS_ACCESS_KEY_ID", "AKIA")
    monkeypatch.setenv("KEYSPACES_AWS_SECRET_ACCESS_KEY", "a-secret")
    store = read(**KEYSPACES, KEYSPACES_CQL_STORE__CA_PATH=str(pems / "ca.pem"))
    assert store.plan.login == AwsLogin("eu-central-1", "AKIA", "a-secret")
    assert "a-secret" not in repr(store)


def test_keyspaces_without_credentials_says_what_there_may_be(
    pems: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KEYSPACES_AWS_ACCESS_KEY_ID", raising=False)
    with pytest.raises(SettingsError, match=r"use-irsa .*KEYSPACES_AWS_ACCESS_KEY_ID"):
        read(**KEYSPACES, KEYSPACES_CQL_STORE__CA_PATH=str(pems / "ca.pem"))


def test_the_embedded_store_is_none_of_these() -> None:
    with pytest.raises(SettingsError, match="cql-store-type"):
        read()
