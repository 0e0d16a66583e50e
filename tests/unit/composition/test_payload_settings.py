"""What the settings of payloads, ours and those of Go deployments, become."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from msgspec.structs import replace

from nexus_core.adapters.s3.addresses import Addressing
from nexus_core.adapters.s3.location import Location
from nexus_core.composition.data_folder import prepare_data_folder
from nexus_core.composition.payload_stores import s3_settings
from nexus_core.composition.signing import open_signed_urls
from nexus_core.domain.data_urls import Door
from nexus_core.domain.names import RunKey
from nexus_core.settings.loader import SettingsError, load
from nexus_core.settings.payloads import S3Buffer
from nexus_core.settings.sections import ServiceSettings
from nexus_core.settings.values import ByteSize, Duration, Secret

RUN = RunKey("hello-world", "5a3c4f9b-fd94-48d4-99cd-d9d7cbf6cfd1")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
PROXY = "NEXUS__S3_BUFFER__REQUEST_PAYLOAD_PROXY_CONFIGURATION__"

# As Go deployments set them.
GO = {
    "NEXUS__S3_BUFFER__PAYLOAD_STORAGE_PATH": "s3a://nexus/payloads",
    "NEXUS__S3_BUFFER__REGION": "us-east-1",
    "NEXUS__S3_BUFFER__ACCESS_KEY_ID": "minioadmin",
    "NEXUS__S3_BUFFER__SECRET_ACCESS_KEY": "minioadmin-secret",
    "NEXUS__S3_BUFFER__ENDPOINT": "http://minio.nexus.svc.cluster.local:9000",
}
GO_PROXY = {
    f"{PROXY}TENANT_ID": "00000000-0000-0000-0000-000000000000",
    f"{PROXY}SERVE_PATH_TEMPLATE": "data/v1/payloads/%s/requests/%s",
    f"{PROXY}SIGN_SECRET": "a secret of theirs",
    f"{PROXY}EXTERNAL_NAME": "nexus.example.org:8080",
    f"{PROXY}INSECURE": "true",
}


def prepared(folder: Path, **variables: str) -> ServiceSettings:
    variables["NEXUS__DATA_PATH"] = str(folder)
    return prepare_data_folder(load(ServiceSettings, variables))


def a_payload_url(settings: ServiceSettings) -> str:
    urls = open_signed_urls(settings)
    return urls.make(Door.PAYLOADS, RUN, now=NOW, valid_for=timedelta(hours=1), checksum="abc=")


def a_section(**changes: Any) -> S3Buffer:
    return replace(S3Buffer(payload_storage_path="s3a://a-bucket/nexus"), **changes)


def test_variables_of_go_deployments_lead_to_their_bucket() -> None:
    settings = s3_settings(load(ServiceSettings, GO).s3_buffer)
    assert settings.location == Location("nexus", "payloads")
    assert settings.endpoint == "http://minio.nexus.svc.cluster.local:9000"
    assert (settings.access_key_id, settings.secret_access_key) == (
        "minioadmin",
        "minioadmin-secret",
    )
    assert settings.addressing is Addressing.AUTO
    assert settings.presigned


def test_their_signed_urls_are_ours(tmp_path: Path) -> None:
    url = urlsplit(a_payload_url(prepared(tmp_path, **GO, **GO_PROXY)))
    assert url.scheme == "http"
    assert url.netloc == "nexus.example.org:8080"
    assert url.path == f"/data/v1/payloads/hello-world/requests/{RUN.request_id}"
    assert parse_qs(url.query)["tid"] == ["00000000-0000-0000-0000-000000000000"]
    own = ServiceSettings(scheduler_url="http://nexus.example.org:8080")
    signing = replace(
        own.signing,
        secret=Secret("a secret of theirs"),
        tenant_id="00000000-0000-0000-0000-000000000000",
    )
    assert a_payload_url(replace(own, signing=signing)) == url.geturl()


def test_who_has_their_signed_urls_goes_on_having_them() -> None:
    section = load(ServiceSettings, {**GO, **GO_PROXY}).s3_buffer
    assert not s3_settings(section).presigned
    assert s3_settings(replace(section, payload_urls="presigned")).presigned
    assert not s3_settings(a_section(payload_urls="proxied")).presigned


def test_their_secret_is_not_kept_in_the_data_folder(tmp_path: Path) -> None:
    prepared(tmp_path, **GO, **GO_PROXY)
    assert not (tmp_path / "signing.secret").exists()


def test_an_external_name_is_reached_by_tls_unless_told_otherwise(tmp_path: Path) -> None:
    settings = prepared(tmp_path, **{f"{PROXY}EXTERNAL_NAME": "nexus.example.org"})
    assert a_payload_url(settings).startswith("https://nexus.example.org/data/v1/")


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        (
            {f"{PROXY}SIGN_SECRET": "one", "NEXUS__SIGNING__SECRET": "other"},
            "sign-secret .*SIGN_SECRET.* the same as signing.secret",
        ),
        (
            {f"{PROXY}TENANT_ID": "one", "NEXUS__SIGNING__TENANT_ID": "other"},
            "the same as signing.tenant-id",
        ),
        ({f"{PROXY}SERVE_PATH_TEMPLATE": "/data/v1/payloads/%s/%s"}, "serve-path-template"),
        ({f"{PROXY}EXTERNAL_NAME": "https://here"}, "external-name"),
        ({f"{PROXY}SIGN_SECRET": "x" * 65}, "sign-secret .* 1 to 64 bytes"),
        ({"NEXUS__SIGNING__SECRET": "x" * 65}, r"signing\.secret .* 1 to 64 bytes"),
    ],
)
def test_contradictions_stop_the_start(
    tmp_path: Path, variables: dict[str, str], named: str
) -> None:
    with pytest.raises(SettingsError, match=named):
        open_signed_urls(prepared(tmp_path, **variables))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"payload_storage_path": "s3a://x"}, "payload-storage-path .*PAYLOAD_STORAGE_PATH"),
        ({"access_key_id": "AKID"}, "secret-access-key"),
        ({"secret_access_key": Secret("secret")}, "access-key-id"),
        ({"part_size": ByteSize(1024)}, "part-size .* 5Mi to 5Gi"),
        ({"timeout": Duration(0)}, r"s3-buffer\.timeout"),
        ({"connect_timeout": Duration(-1)}, r"s3-buffer\.connect-timeout"),
    ],
)
def test_a_bad_setting_is_named(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        s3_settings(a_section(**changes))
