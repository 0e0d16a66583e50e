"""The store of payloads and results."""

from contextlib import AbstractAsyncContextManager
from datetime import timedelta

from nexus_core.adapters.folder.payload_store import FolderPayloadStore
from nexus_core.adapters.s3.addresses import Addressing
from nexus_core.adapters.s3.location import Location
from nexus_core.adapters.s3.payload_store import S3PayloadStore
from nexus_core.adapters.s3.settings import LARGEST_PART, SMALLEST_PART, S3Settings
from nexus_core.domain.data_urls import SignedUrls
from nexus_core.domain.errors import InvalidInputError
from nexus_core.ports.clock import Clock
from nexus_core.ports.payload_store import PayloadStore
from nexus_core.settings.loader import SettingsError, variable_of
from nexus_core.settings.payloads import S3Buffer
from nexus_core.settings.sections import ServiceSettings


def open_payload_store(
    settings: ServiceSettings, urls: SignedUrls, clock: Clock
) -> AbstractAsyncContextManager[PayloadStore]:
    """Open the store that `payload-storage-path` names.

    A bucket need not be there yet: that it is not is told by the store's `ping`.

    Raises:
        SettingsError: a setting names what there is not.
        UnavailableError: the store can't be opened.
    """
    if settings.s3_buffer.payload_storage_path.startswith(("s3:", "s3a:")):
        return S3PayloadStore.open(s3_settings(settings.s3_buffer), urls, clock)
    return FolderPayloadStore.open(settings.payload_folder, urls, clock)


def s3_settings(section: S3Buffer) -> S3Settings:
    """Return the settings of the adapter.

    Raises:
        SettingsError: one of them can't be.
    """
    _check(section)
    try:
        location = Location.parse(section.payload_storage_path)
    except InvalidInputError as error:
        raise _bad("payload-storage-path", str(error)) from error
    proxied = bool(section.request_payload_proxy_configuration.sign_secret)
    return S3Settings(
        location=location,
        endpoint=section.endpoint,
        region=section.region,
        access_key_id=section.access_key_id,
        secret_access_key=section.secret_access_key,
        session_token=section.session_token,
        addressing=Addressing(section.addressing),
        presigned=section.payload_urls == "presigned"
        or (section.payload_urls == "auto" and not proxied),
        ca_file=section.ca_file,
        connections=section.connections,
        connect_timeout=timedelta(seconds=section.connect_timeout),
        timeout=timedelta(seconds=section.timeout),
        attempts=section.attempts,
        part_size=section.part_size,
    )


def _check(section: S3Buffer) -> None:
    if bool(section.access_key_id) != bool(section.secret_access_key):
        missing = "secret-access-key" if section.access_key_id else "access-key-id"
        raise _bad(missing, "must be set too, or neither of the key and its secret")
    if not SMALLEST_PART <= section.part_size <= LARGEST_PART:
        raise _bad("part-size", "must be from 5Mi to 5Gi")
    for name, seconds in (
        ("timeout", section.timeout),
        ("connect-timeout", section.connect_timeout),
    ):
        if seconds <= 0:
            raise _bad(name, "must be more than nothing")


def _bad(name: str, problem: str) -> SettingsError:
    path = ("s3-buffer", name)
    return SettingsError(f"{'.'.join(path)} ({variable_of(path)}): {problem}")
