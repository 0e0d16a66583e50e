"""Presigned URLs, and when a scheduler's have to do."""

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest
from aiobotocore.credentials import AioRefreshableCredentials
from aiobotocore.session import AioSession
from botocore.exceptions import NoCredentialsError

from nexus_core.adapters.s3.credentials import ChainCredentials
from nexus_core.adapters.s3.location import Location
from nexus_core.adapters.s3.settings import S3Settings
from nexus_core.adapters.s3.signatures import Credentials
from nexus_core.domain.errors import InvalidInputError, UnavailableError
from nexus_core.domain.names import RunKey
from nexus_core.ports.payload_store import Content
from nexus_core.settings.values import Secret
from support.clock import ManualClock
from support.s3 import open_s3_store

RUN = RunKey("hello-world", str(uuid.UUID(int=7)))
HOUR = timedelta(hours=1)
SETTINGS = S3Settings(
    location=Location("a-bucket", "nexus"),
    endpoint="http://127.0.0.1:9",
    region="eu-west-1",
    access_key_id="AKID",
    secret_access_key=Secret("secret"),
)
ROOM = f"/a-bucket/nexus/algorithm%3Dhello-world/{RUN.request_id}"


class Told(AioSession):
    """A session whose chain finds what the test says."""

    def __init__(self, found: AioRefreshableCredentials | None) -> None:
        super().__init__()
        self._found = found

    async def get_credentials(self) -> AioRefreshableCredentials | None:  # type: ignore[override] # its stub is too narrow
        return self._found


def renewed_for(left: timedelta) -> AioRefreshableCredentials:
    async def renew() -> dict[str, str]:
        raise AssertionError("there is time enough")

    return AioRefreshableCredentials(
        "AKID", "secret", "a token", datetime.now(UTC) + left, renew, method="test"
    )


async def test_urls_lead_to_the_bucket(clock: ManualClock) -> None:
    async with open_s3_store(SETTINGS, clock) as store:
        download = await store.download_url(Content.PAYLOAD, RUN, HOUR)
        upload = await store.upload_url(Content.RESULT, RUN, HOUR)
        with pytest.raises(ValueError, match="only results are uploaded"):
            await store.upload_url(Content.PAYLOAD, RUN, HOUR)
    signed = (
        "?X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKID%2F20260101%2Feu-west-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20260101T000000Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature="
    )
    # As botocore signs them.
    assert (
        download
        == f"http://127.0.0.1:9{ROOM}{signed}566966de6a804239fcc6b4dec082a6d6dc9d1f3ba1f167f99ae7bc658ae2c17f"
    )
    assert (
        upload
        == f"http://127.0.0.1:9{ROOM}.result{signed}93703f3779595b1df055639e4286ffde074653e2ee95bdff2b0144c706132ff7"
    )


async def test_proxied_urls_lead_to_the_scheduler(clock: ManualClock) -> None:
    settings = msgspec.structs.replace(SETTINGS, presigned=False)
    async with open_s3_store(settings, clock) as store:
        urls = [
            await store.download_url(Content.PAYLOAD, RUN, HOUR, "ZGVhZGJlZWY="),
            await store.download_url(Content.RESULT, RUN, HOUR),
            await store.upload_url(Content.RESULT, RUN, HOUR),
        ]
        with pytest.raises(ValueError, match="only results are uploaded"):
            await store.upload_url(Content.PAYLOAD, RUN, HOUR)
    assert [urlsplit(url).path for url in urls] == [
        f"/data/v1/{door}/hello-world/requests/{RUN.request_id}"
        for door in ("payloads", "results", "uploads")
    ]
    assert "&chk=ZGVhZGJlZWY%3D" in urls[0]


async def test_the_longest_that_s3_takes_is_a_week(clock: ManualClock) -> None:
    week = timedelta(days=7)
    async with open_s3_store(SETTINGS, clock) as store:
        longest = await store.download_url(Content.PAYLOAD, RUN, week)
        longer = await store.download_url(Content.PAYLOAD, RUN, week + timedelta(seconds=1))
    assert "&X-Amz-Expires=604800&" in longest
    assert urlsplit(longer).path.startswith("/data/v1/payloads/")


async def test_a_session_token_of_unknown_life_signs_no_url(clock: ManualClock) -> None:
    settings = msgspec.structs.replace(SETTINGS, session_token=Secret("a token"))
    async with open_s3_store(settings, clock) as store:
        url = await store.download_url(Content.PAYLOAD, RUN, HOUR)
    assert urlsplit(url).path.startswith("/data/v1/payloads/")


async def test_credentials_sign_urls_that_they_outlive() -> None:
    source = ChainCredentials(Told(renewed_for(timedelta(hours=2))))
    lasting = await source.lasting(HOUR.total_seconds())
    assert lasting == ("AKID", "secret", "a token")
    assert await source.lasting(3 * HOUR.total_seconds()) is None
    assert await source.current() == lasting


async def test_the_chain_is_asked_until_it_has_some() -> None:
    session = Told(None)
    source = ChainCredentials(session)
    with pytest.raises(NoCredentialsError):
        await source.current()
    session._found = renewed_for(timedelta(hours=2))
    assert (await source.current()).access_key_id == "AKID"


async def test_without_credentials_the_settings_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, clock: ManualClock
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    settings = msgspec.structs.replace(SETTINGS, access_key_id="")
    async with open_s3_store(settings, clock) as store:
        for asked in (store.ping(), store.download_url(Content.PAYLOAD, RUN, HOUR)):
            with pytest.raises(UnavailableError, match=r"no credentials: set s3-buffer\.access"):
                await asked


async def test_keys_come_from_the_environment_where_settings_have_none(
    monkeypatch: pytest.MonkeyPatch, clock: ManualClock
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "FROM-THERE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-north-1")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    settings = S3Settings(location=Location("a-bucket"))
    async with open_s3_store(settings, clock) as store:
        url = await store.download_url(Content.PAYLOAD, RUN, HOUR)
    assert url.startswith("https://a-bucket.s3.eu-north-1.amazonaws.com/algorithm%3Dhello-world/")
    assert "Credential=FROM-THERE%2F20260101%2Feu-north-1%2F" in url


async def test_keys_come_from_aws_files_where_settings_and_environment_have_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, clock: ManualClock
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "credentials"
    file.write_text("[default]\naws_access_key_id = FILED\naws_secret_access_key = secret\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    settings = S3Settings(location=Location("a-bucket"), endpoint="http://here")
    async with open_s3_store(settings, clock) as store:
        url = await store.download_url(Content.PAYLOAD, RUN, HOUR)
    assert "Credential=FILED%2F20260101%2Fus-east-1%2F" in url


async def test_a_profile_that_there_is_not_stops_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    settings = S3Settings(location=Location("a-bucket"))
    with pytest.raises(InvalidInputError, match="no-such-profile"):
        async with open_s3_store(settings):
            pass


async def test_the_scheduler_in_the_place_of_s3_is_told_once(
    clock: ManualClock, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = msgspec.structs.replace(SETTINGS, session_token=Secret("a token"))
    async with open_s3_store(settings, clock) as store:
        for _ in range(3):
            await store.download_url(Content.PAYLOAD, RUN, HOUR)
    assert capsys.readouterr().out.count("some URLs lead through the scheduler") == 1


def test_secrets_do_not_show_themselves() -> None:
    settings = msgspec.structs.replace(SETTINGS, session_token=Secret("a token"))
    shown = f"{settings!r} {Credentials('AKID', 'secret', 'a token')!r}"
    assert "AKID" in shown
    assert "'secret'" not in shown
    assert "a token" not in shown


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"endpoint": "here:9000"}, "s3-buffer.endpoint"),
        ({"ca_file": "/nowhere/ca.pem"}, "s3-buffer.ca-file .*: /nowhere/ca.pem can't be used"),
        ({"ca_file": __file__}, "s3-buffer.ca-file"),
    ],
)
async def test_bad_settings_stop_the_start(change: dict[str, str], named: str) -> None:
    settings = msgspec.structs.replace(SETTINGS, **change)
    with pytest.raises(InvalidInputError, match=named):
        async with open_s3_store(settings):
            pass
