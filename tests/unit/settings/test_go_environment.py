"""The environment of Go deployments, as their charts and secrets set it, is understood."""

import pytest

from nexus_core.domain.errors import InvalidInputError
from nexus_core.settings.go_names import NAMES
from nexus_core.settings.loader import load, setting_names, variable_of
from nexus_core.settings.sections import ServiceSettings
from nexus_core.telemetry.logging import LogLevel
from nexus_receiver.settings import ReceiverSettings
from nexus_scheduler.settings import SchedulerSettings
from nexus_supervisor.settings import SupervisorSettings

# By secrets, to all three.
STORE = {
    "NEXUS__SCYLLA_CQL_STORE__HOSTS": "127.0.0.1:9042,127.0.0.2:9042",
    "NEXUS__SCYLLA_CQL_STORE__PORT": "",
    "NEXUS__SCYLLA_CQL_STORE__USER": "nexus",
    "NEXUS__SCYLLA_CQL_STORE__PASSWORD": "hush",
    "NEXUS__SCYLLA_CQL_STORE__LOCAL_DC": "dc1",
    "NEXUS__SCYLLA_CQL_STORE__KEYSPACE": "nexus",
    "NEXUS__SCYLLA_CQL_STORE__INDEXES_SUPPORTED": "true",
    "NEXUS__ASTRA_CQL_STORE__SECURE_CONNECTION_BUNDLE_BASE64": "",
    "NEXUS__ASTRA_CQL_STORE__GATEWAY_USER": "",
    "NEXUS__ASTRA_CQL_STORE__GATEWAY_PASSWORD": "",
    "NEXUS__ASTRA_CQL_STORE__INDEXES_SUPPORTED": "false",
    "NEXUS__KEYSPACES_CQL_STORE__HOSTS": "cassandra.eu-central-1.amazonaws.com",
    "NEXUS__KEYSPACES_CQL_STORE__PORT": "9142",
    "NEXUS__KEYSPACES_CQL_STORE__CA_PATH": "/app/keyspaces/ca.pem",
    "NEXUS__KEYSPACES_CQL_STORE__REGION": "eu-central-1",
    "NEXUS__KEYSPACES_CQL_STORE__KEYSPACE": "nexus",
    "NEXUS__KEYSPACES_CQL_STORE__USE_IRSA": "true",
}
BESIDES = {
    "APPLICATION_VERSION": "v1.0.0",
    "GIN_MODE": "release",
    "DATADOG__API_KEY": "hush",
    "DD_SERVICE": "nexus",
}
QUEUE = {
    "FAILURE_RATE_BASE_DELAY": "100ms",
    "FAILURE_RATE_MAX_DELAY": "1s",
    "RATE_LIMIT_ELEMENTS_PER_SECOND": "10",
    "RATE_LIMIT_ELEMENTS_BURST": "100",
    "WORKERS": "2",
}
SCHEDULER = {
    **STORE,
    **BESIDES,
    **{f"NEXUS__S3_BUFFER__BUFFER_CONFIG__{name}": text for name, text in QUEUE.items()},
    "NEXUS__S3_BUFFER__BUFFER_CONFIG__PAYLOAD_VALID_FOR": "24h",
    "NEXUS__S3_BUFFER__PAYLOAD_STORAGE_PATH": "s3a://bucket/nexus/payloads",
    "NEXUS__S3_BUFFER__ACCESS_KEY_ID": "key",
    "NEXUS__S3_BUFFER__SECRET_ACCESS_KEY": "hush",
    "NEXUS__S3_BUFFER__REGION": "eu-central-1",
    "NEXUS__S3_BUFFER__ENDPOINT": "",
    "NEXUS__CQL_STORE_TYPE": "cassandra-scylla",
    "NEXUS__RUNTIME_NAMESPACE": "nexus-runs",
    "NEXUS__DEPLOY_NAMESPACE": "nexus",
    "NEXUS__KUBE_CONFIG_PATH": "",
    "NEXUS__SHARD_KUBE_CONFIG_PATH": "/app/config/shards",
    "NEXUS__LOG_LEVEL": "INFO",
    "NEXUS__MAX_PAYLOAD_SIZE": "500Mi",
    "NEXUS__EXTERNAL_HOSTNAME": "nexus.example.com",
}
OLDER_SCHEDULER = {
    **{
        name: text
        for name, text in SCHEDULER.items()
        if name not in {"NEXUS__RUNTIME_NAMESPACE", "NEXUS__DEPLOY_NAMESPACE"}
    },
    "NEXUS__S3_BUFFER__PAYLOAD_STORAGE_PATH": "",
    "NEXUS__S3_BUFFER__BUFFER_CONFIG__PAYLOAD_STORAGE_PATH": "s3a://bucket/older",
    "NEXUS__RESOURCE_NAMESPACE": "here",
    "NEXUS__CQL_STORE_TYPE": "scylla",
    "NEXUS__MAX_PAYLOAD_SIZE": "",
}
RECEIVER = {
    **STORE,
    **BESIDES,
    **{f"NEXUS__{name}": text for name, text in QUEUE.items()},
    "NEXUS__CONFIG__WORKERS": "2",
    "NEXUS__CQL_STORE_TYPE": "cassandra-keyspaces",
    "NEXUS__LOG_LEVEL": "WARN",
    "NEXUS__BIND_PORT": "8080",
}
SUPERVISOR = {
    **STORE,
    **BESIDES,
    **{f"NEXUS__{name}": text for name, text in QUEUE.items()},
    "NEXUS__CQL_STORE_TYPE": "cassandra-astra",
    "NEXUS__CQL_STORE__SECURE_CONNECTION_BUNDLE_BASE64": "UEsDBA==",
    "NEXUS__CQL_STORE__GATEWAY_USER": "token",
    "NEXUS__CQL_STORE__GATEWAY_PASSWORD": "hush",
    "NEXUS__RESOURCE_NAMESPACE": "nexus-runs",
    "NEXUS__KUBE_CONFIG_PATH": "",
    "NEXUS__LOG_LEVEL": "DEBUG",
}


def test_a_scheduler_s() -> None:
    settings = load(SchedulerSettings, SCHEDULER)
    assert settings.cql_store_type == "scylla"
    assert settings.scylla_cql_store.hosts == ("127.0.0.1:9042", "127.0.0.2:9042")
    assert settings.scylla_cql_store.port == 9042
    assert settings.scylla_cql_store.indexes_supported
    assert settings.s3_buffer.payload_storage_path == "s3a://bucket/nexus/payloads"
    assert settings.s3_buffer.buffer_config.workers == 2
    assert (settings.runtime_namespace, settings.deploy_namespace) == ("nexus-runs", "nexus")
    assert settings.log_level is LogLevel.INFO


def test_an_older_scheduler_s() -> None:
    settings = load(SchedulerSettings, OLDER_SCHEDULER)
    assert settings.s3_buffer.payload_storage_path == "s3a://bucket/older"
    assert (settings.runtime_namespace, settings.deploy_namespace) == ("here", "here")
    assert settings.cql_store_type == "scylla"
    assert settings.max_payload_size == 500 * 1024**2


def test_a_receiver_s() -> None:
    settings = load(ReceiverSettings, RECEIVER)
    assert settings.cql_store_type == "keyspaces"
    assert settings.keyspaces_cql_store.use_irsa
    assert settings.listen.port == 8080
    assert settings.log_level is LogLevel.WARNING
    # Of its queue nothing is left, and it is not taken for the scheduler's.
    assert settings.s3_buffer == ReceiverSettings().s3_buffer


def test_a_supervisor_s() -> None:
    settings = load(SupervisorSettings, SUPERVISOR)
    assert settings.cql_store_type == "astra"
    assert settings.astra_cql_store.gateway_user == "token"
    assert settings.astra_cql_store.secure_connection_bundle_base64 == "UEsDBA=="
    assert settings.runtime_namespace == "nexus-runs"
    assert settings.log_level is LogLevel.DEBUG


def test_our_own_name_of_a_thing_holds_against_theirs() -> None:
    own = {"NEXUS__RESOURCE_NAMESPACE": "theirs", "NEXUS__DEPLOY_NAMESPACE": "ours"}
    settings = load(SchedulerSettings, own)
    assert (settings.runtime_namespace, settings.deploy_namespace) == ("theirs", "ours")


@pytest.mark.parametrize("variable", ["NEXUS__WORKER", "NEXUS__RESOURCE_NAMESPACES"])
def test_a_slip_in_a_name_of_theirs_is_a_mistake_all_the_same(variable: str) -> None:
    with pytest.raises(InvalidInputError, match=variable):
        load(SupervisorSettings, {variable: "2"})


def test_their_names_stand_for_settings_that_there_are() -> None:
    names = {variable_of(path) for path in setting_names(ReceiverSettings())}
    for name in NAMES:
        assert set(name.means) <= names
        assert name.variable not in names


def test_no_service_has_a_setting_that_is_taken_for_one_of_theirs() -> None:
    taken = {name.variable for name in NAMES}
    for settings in (ServiceSettings(), SchedulerSettings(), SupervisorSettings()):
        assert not taken & {variable_of(path) for path in setting_names(settings)}
