from pathlib import Path

import pytest
from msgspec import field

from nexus_core.settings.loader import (
    Section,
    SettingsError,
    api_server_address,
    empty_secrets,
    load,
    setting_names,
    variable_of,
)
from nexus_core.settings.sections import ServiceSettings
from nexus_core.settings.values import ByteSize, Duration, Interval, Secret
from nexus_scheduler.settings import SchedulerSettings
from nexus_standalone.settings import StandaloneSettings
from nexus_supervisor.settings import SupervisorSettings


class Inner(Section, frozen=True):
    region: str = ""
    valid_for: Duration = Duration(60)
    secret: Secret = Secret("")


class Outer(Section, frozen=True):
    workers: int = 10
    hosts: tuple[str, ...] = ()
    max_size: ByteSize = ByteSize(0)
    interval: Interval = Interval(10)
    s3_buffer: Inner = field(default_factory=Inner)


def test_without_anything_the_defaults_hold() -> None:
    assert load(Outer, {}) == Outer()


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("workers: 3\ns3-buffer:\n  region: here\n  valid-for: 2h\n")
    settings = load(Outer, {"NEXUS__S3_BUFFER__REGION": "there"}, file)
    assert settings.workers == 3
    assert settings.s3_buffer.region == "there"
    assert settings.s3_buffer.valid_for == Duration(7200)


def test_the_file_can_be_named_by_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("workers: 3\n")
    assert load(Outer, {"NEXUS_CONFIG": str(file)}).workers == 3


def test_a_list_may_be_written_with_commas_in_the_file_too(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("hosts: a, b\n")
    assert load(Outer, {}, file).hosts == ("a", "b")
    file.write_text("hosts: [a, b]\n")
    assert load(Outer, {}, file).hosts == ("a", "b")


def test_what_is_not_said_of_a_section_keeps_the_service_s_default() -> None:
    class Special(Outer, frozen=True):
        s3_buffer: Inner = field(default_factory=lambda: Inner(region="special"))

    settings = load(Special, {"NEXUS__S3_BUFFER__VALID_FOR": "2h"})
    assert settings.s3_buffer == Inner(region="special", valid_for=Duration(7200))


def test_text_from_the_environment_becomes_numbers_lists_durations_and_sizes() -> None:
    settings = load(
        Outer,
        {
            "NEXUS__WORKERS": "4",
            "NEXUS__HOSTS": "a, b,c",
            "NEXUS__MAX_SIZE": "500Mi",
            "NEXUS__INTERVAL": "100ms",
            "NEXUS__S3_BUFFER__VALID_FOR": "100ms",
        },
    )
    assert settings.workers == 4
    assert settings.hosts == ("a", "b", "c")
    assert settings.max_size == 500 * 1024**2
    assert settings.interval == Interval.LEAST
    assert settings.s3_buffer.valid_for == pytest.approx(0.1)


def test_other_variables_are_no_business_of_ours() -> None:
    assert load(Outer, {"PATH": "/bin", "NEXUSWORKERS": "x", "NEXUS_WORKERS": "x"}) == Outer()


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"NEXUS__WORKRS": "4"}, ["NEXUS__WORKRS", "NEXUS__WORKERS"]),
        ({"NEXUS__S3_BUFFER__REGIN": "x"}, ["NEXUS__S3_BUFFER__REGIN", "NEXUS__S3_BUFFER__REGION"]),
        ({"NEXUS__S3_BUFFER": "x"}, ["NEXUS__S3_BUFFER", "section"]),
        ({"NEXUS__WORKERS__DEEPER": "x"}, ["NEXUS__WORKERS__DEEPER"]),
        ({"NEXUS__WORKERS": "many"}, ["workers", "NEXUS__WORKERS", "int"]),
        ({"NEXUS__MAX_SIZE": "500Q"}, ["max-size", "NEXUS__MAX_SIZE"]),
        ({"NEXUS__MAX_SIZE": "-1"}, ["NEXUS__MAX_SIZE", "negative"]),
        ({"NEXUS__S3_BUFFER__VALID_FOR": "soon"}, ["s3-buffer.valid-for", "24h"]),
        ({"NEXUS__S3_BUFFER__VALID_FOR": "10"}, ["NEXUS__S3_BUFFER__VALID_FOR"]),
        ({"NEXUS__S3_BUFFER__VALID_FOR": "-10s"}, ["NEXUS__S3_BUFFER__VALID_FOR", "negative"]),
        ({"NEXUS__INTERVAL": "0s"}, ["interval", "NEXUS__INTERVAL", "100ms or more"]),
        ({"NEXUS__INTERVAL": "99ms"}, ["NEXUS__INTERVAL", "100ms or more"]),
        ({"NEXUS__INTERVAL": "-1s"}, ["NEXUS__INTERVAL", "negative"]),
    ],
)
def test_a_bad_variable_is_refused_by_name(environ: dict[str, str], words: list[str]) -> None:
    with pytest.raises(SettingsError) as refusal:
        load(Outer, environ)
    for word in words:
        assert word in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("workrs: 4\n", ["workrs", "workers"]),
        ("s3-buffer:\n  regin: x\n", ["s3-buffer", "regin"]),
        ("s3-buffer: 4\n", ["s3-buffer"]),
        ("workers: [\n", ["settings.yaml"]),
        ("- a\n", ["settings.yaml", "mapping"]),
        ("workers: 1\nworkers: 2\n", ["settings.yaml", "line 2", "'workers' is there twice"]),
        (
            "s3-buffer:\n  region: x\nworkers: 1\ns3-buffer:\n  valid-for: 1s\n",
            ["settings.yaml", "line 4", "'s3-buffer' is there twice"],
        ),
    ],
)
def test_a_bad_file_is_refused_by_name(tmp_path: Path, text: str, words: list[str]) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(text)
    with pytest.raises(SettingsError) as refusal:
        load(Outer, {}, file)
    for word in words:
        assert word in str(refusal.value)


def test_a_file_may_merge_what_it_says_elsewhere(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("s3-buffer: {<<: {region: x, valid-for: 1s}, region: y}\n")
    assert load(Outer, {}, file).s3_buffer == Inner(region="y", valid_for=Duration(1))


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"absent\.yaml"):
        load(Outer, {}, tmp_path / "absent.yaml")


def test_an_empty_file_is_no_mistake(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("")
    assert load(Outer, {}, file) == Outer()


def test_a_secret_that_is_set_to_nothing_is_found_by_its_variable() -> None:
    environ = {
        "NEXUS__CALLBACK__SECRET": "",
        "NEXUS__S3_BUFFER__SECRET_ACCESS_KEY": "",
        "NEXUS__SIGNING__SECRET": "known",
        "NEXUS__SCHEDULER_URL": "",
    }

    found = empty_secrets(load(ServiceSettings, environ), environ)

    assert sorted(found) == ["NEXUS__CALLBACK__SECRET", "NEXUS__S3_BUFFER__SECRET_ACCESS_KEY"]


@pytest.mark.parametrize("written", ["", " ", ","])
def test_tokens_that_are_set_to_nothing_are_refused_since_they_would_let_anybody_in(
    written: str,
) -> None:
    with pytest.raises(SettingsError, match=r"^NEXUS__API_TOKENS: is set to nothing"):
        load(ServiceSettings, {"NEXUS__API_TOKENS": written})


@pytest.mark.parametrize(
    ("kind", "variable"),
    [
        (SchedulerSettings, "NEXUS__LISTEN__HOST"),
        (StandaloneSettings, "NEXUS__SCHEDULER__LISTEN__HOST"),
        (ServiceSettings, "NEXUS__HOST_NAME"),
        (ServiceSettings, "NEXUS__DATA_PATH"),
        (ServiceSettings, "NEXUS__SCHEDULER_URL"),
        (ServiceSettings, "NEXUS__RECEIVER_URL"),
        (ServiceSettings, "NEXUS__RUNTIME_NAMESPACE"),
        (ServiceSettings, "NEXUS__DEPLOY_NAMESPACE"),
        (ServiceSettings, "NEXUS__PROCESS_CLUSTER__NAME"),
        (ServiceSettings, "NEXUS__SCYLLA_CQL_STORE__KEYSPACE"),
    ],
)
def test_text_that_means_nothing_when_it_is_empty_keeps_its_default(
    kind: type[Section], variable: str
) -> None:
    assert load(kind, {variable: ""}) == load(kind, {})


def test_text_that_may_not_be_empty_is_refused_by_name_when_the_file_says_nothing(
    tmp_path: Path,
) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text('host-name: ""\n')
    with pytest.raises(SettingsError, match=r"^host-name \(NEXUS__HOST_NAME\): must not be empty$"):
        load(ServiceSettings, {}, file)


@pytest.mark.parametrize(
    ("environ", "choice"),
    [
        ({"NEXUS__LOG_LEVEL": "verbose"}, "'debug', 'info', 'warning' or 'error'"),
        ({"NEXUS__CLUSTER_TYPE": "k8s"}, "'auto', 'process' or 'kubernetes'"),
    ],
)
def test_a_value_that_is_none_of_a_few_is_refused_with_what_it_may_be(
    environ: dict[str, str], choice: str
) -> None:
    with pytest.raises(SettingsError, match=rf": must be {choice}; got '(verbose|k8s)'$"):
        load(ServiceSettings, environ)


@pytest.mark.parametrize(
    "written", ["nexus.example.org", "nexus:8080", "ftp://a", "https:///x", " "]
)
@pytest.mark.parametrize(
    ("kind", "variable"),
    [
        (ServiceSettings, "NEXUS__SCHEDULER_URL"),
        (ServiceSettings, "NEXUS__RECEIVER_URL"),
        (ServiceSettings, "NEXUS__PUBLIC_URL"),
        (SchedulerSettings, "NEXUS__CALLBACK_URL"),
        (StandaloneSettings, "NEXUS__SCHEDULER_URL"),
    ],
)
def test_where_a_service_is_reached_is_a_whole_url(
    kind: type[Section], variable: str, written: str
) -> None:
    with pytest.raises(SettingsError, match=rf"\({variable}\): must be a URL such as https://"):
        load(kind, {variable: written})


def test_a_secret_does_not_show_itself() -> None:
    settings = load(Outer, {"NEXUS__S3_BUFFER__SECRET": "hush"})
    assert settings.s3_buffer.secret == "hush"
    assert "hush" not in repr(settings)


@pytest.mark.parametrize(
    "variable",
    [
        "NEXUS__S3_BUFFER__PAYLOAD_STORAGE_PATH",
        "NEXUS__S3_BUFFER__ACCESS_KEY_ID",
        "NEXUS__S3_BUFFER__SECRET_ACCESS_KEY",
        "NEXUS__S3_BUFFER__REGION",
        "NEXUS__S3_BUFFER__ENDPOINT",
        "NEXUS__CQL_STORE_TYPE",
        "NEXUS__SCYLLA_CQL_STORE__HOSTS",
        "NEXUS__SCYLLA_CQL_STORE__PORT",
        "NEXUS__SCYLLA_CQL_STORE__USER",
        "NEXUS__SCYLLA_CQL_STORE__PASSWORD",
        "NEXUS__SCYLLA_CQL_STORE__LOCAL_DC",
        "NEXUS__RUNTIME_NAMESPACE",
        "NEXUS__DEPLOY_NAMESPACE",
        "NEXUS__KUBE_CONFIG_PATH",
        "NEXUS__SHARD_KUBE_CONFIG_PATH",
        "NEXUS__MAX_PAYLOAD_SIZE",
        "NEXUS__LOG_LEVEL",
        "NEXUS__S3_BUFFER__BUFFER_CONFIG__FAILURE_RATE_BASE_DELAY",
        "NEXUS__S3_BUFFER__BUFFER_CONFIG__FAILURE_RATE_MAX_DELAY",
        "NEXUS__S3_BUFFER__BUFFER_CONFIG__RATE_LIMIT_ELEMENTS_PER_SECOND",
        "NEXUS__S3_BUFFER__BUFFER_CONFIG__RATE_LIMIT_ELEMENTS_BURST",
        "NEXUS__S3_BUFFER__BUFFER_CONFIG__WORKERS",
    ],
)
def test_what_go_deployments_set_is_a_setting(variable: str) -> None:
    assert variable in {variable_of(path) for path in setting_names(ServiceSettings())}


@pytest.mark.parametrize(
    "text",
    ["secret: hush: hush\n", "secret: 'hush\n", "secret: hush\n\tregion: x\n", "a: &hush\n{"],
)
def test_a_file_that_is_not_yaml_is_one_line_that_quotes_none_of_it(
    tmp_path: Path, text: str
) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=r"settings\.yaml: is not YAML: line \d: ") as refusal:
        load(Outer, {}, file)
    assert "hush" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("environ", "address"),
    [
        ({}, ""),
        (
            {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "6443"},
            "10.0.0.1:6443",
        ),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "10.0.0.1:443"),
        ({"KUBERNETES_SERVICE_HOST": "fd00::1"}, "[fd00::1]:443"),
    ],
)
def test_a_pod_is_told_where_its_api_server_is(environ: dict[str, str], address: str) -> None:
    assert api_server_address(environ) == address


def test_what_is_kept_in_a_row_is_no_larger_than_a_row_may_be() -> None:
    assert load(ServiceSettings, {"NEXUS__LOGS__KEPT_BYTES": "512Ki"}).logs.kept_bytes == 512 * 1024
    with pytest.raises(SettingsError, match=r"logs\.kept-bytes .*must be at most 512Ki"):
        load(ServiceSettings, {"NEXUS__LOGS__KEPT_BYTES": "513Ki"})


@pytest.mark.parametrize(
    ("kind", "variable"),
    [
        (SupervisorSettings, "NEXUS__SWEEP__INTERVAL"),
        (SupervisorSettings, "NEXUS__RETENTION__INTERVAL"),
        (SupervisorSettings, "NEXUS__LEADERSHIP__LEASE_DURATION"),
        (SchedulerSettings, "NEXUS__LEASE_DURATION"),
    ],
)
def test_what_is_done_again_and_again_must_rest_in_between(
    kind: type[Section], variable: str
) -> None:
    with pytest.raises(SettingsError, match=rf"\({variable}\): must be 100ms or more"):
        load(kind, {variable: "0s"})
