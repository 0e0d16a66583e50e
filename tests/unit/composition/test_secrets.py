"""Which secrets services make for themselves, and what goes without."""

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from nexus_core.composition.callback import open_callback
from nexus_core.composition.data_folder import prepare_data_folder
from nexus_core.domain.names import RunKey
from nexus_core.settings.loader import SettingsError
from nexus_core.settings.payloads import S3Buffer
from nexus_core.settings.sections import ServiceSettings
from support.clock import ManualClock
from support.services import World


def test_services_with_a_store_elsewhere_make_no_folder(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    settings = ServiceSettings(data_path=str(folder), cql_store_type="scylla")
    prepared = prepare_data_folder(settings)
    assert prepared.signing.secret
    assert not prepared.callback.secret
    assert not folder.exists()


@pytest.mark.parametrize(
    ("section", "public_url"),
    [
        (S3Buffer(payload_storage_path="/var/payloads"), ""),
        (S3Buffer(payload_storage_path="s3a://bucket/prefix", payload_urls="proxied"), ""),
        (S3Buffer(payload_storage_path="s3a://bucket/prefix"), "https://nexus.example.com"),
    ],
)
def test_a_secret_that_schedulers_have_to_share_must_be_set(
    section: S3Buffer, public_url: str
) -> None:
    settings = ServiceSettings(cql_store_type="scylla", s3_buffer=section, public_url=public_url)
    with pytest.raises(SettingsError, match="NEXUS__SIGNING__SECRET"):
        prepare_data_folder(settings)


def test_services_on_one_folder_share_their_secrets(tmp_path: Path) -> None:
    settings = ServiceSettings(data_path=str(tmp_path / "data"))
    first, second = prepare_data_folder(settings), prepare_data_folder(settings)
    assert first.signing.secret
    assert first.callback.secret
    assert (first.signing, first.callback) == (second.signing, second.callback)


async def test_without_a_secret_nobody_is_called_back(world: World, clock: ManualClock) -> None:
    settings = ServiceSettings(cql_store_type="scylla")
    async with open_callback(settings, world.stores.leases, clock, CollectorRegistry()) as callback:
        callback.finished(RunKey("hello-world", "1"))
