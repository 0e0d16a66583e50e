"""The store of payloads and results."""

from contextlib import AbstractAsyncContextManager

from nexus_core.adapters.folder.payload_store import FolderPayloadStore
from nexus_core.domain.data_urls import SignedUrls
from nexus_core.ports.clock import Clock
from nexus_core.ports.payload_store import PayloadStore
from nexus_core.settings.loader import SettingsError
from nexus_core.settings.sections import ServiceSettings


def open_payload_store(
    settings: ServiceSettings, urls: SignedUrls, clock: Clock
) -> AbstractAsyncContextManager[PayloadStore]:
    """Open the store that `payload-storage-path` names.

    Raises:
        SettingsError: a setting names what there is not.
        UnavailableError: the store can't be opened.
    """
    if settings.s3_buffer.payload_storage_path.startswith(("s3:", "s3a:")):
        raise SettingsError(
            "s3-buffer.payload-storage-path (NEXUS__S3_BUFFER__PAYLOAD_STORAGE_PATH): this release "
            "has no adapter for S3; name a folder"
        )
    return FolderPayloadStore.open(settings.payload_folder, urls, clock)
