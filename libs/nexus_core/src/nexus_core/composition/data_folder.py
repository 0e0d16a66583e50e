"""The folder in which embedded parts keep everything, and the secrets that are kept there."""

import os
import secrets
from pathlib import Path
from typing import TypeVar

from msgspec.structs import replace

from nexus_core.composition.signing import OwnSecret, signing_secret
from nexus_core.domain.errors import UnavailableError
from nexus_core.settings.loader import SettingsError
from nexus_core.settings.sections import ServiceSettings
from nexus_core.settings.values import Secret

S = TypeVar("S", bound=ServiceSettings)

# Half of what BLAKE2b takes as a key, as many bits as its digest has.
_SECRET_BYTES = 32


def prepare_data_folder(settings: S) -> S:
    """Make the data folder; return the settings with the secrets that nobody set.

    They are made once and kept, so that URLs that were signed before a restart stay valid, and
    services on one folder share them. With a checkpoint store elsewhere services share no folder:
    none is made. A secret that has to be shared must be set then.

    Raises:
        SettingsError: two settings give different secrets.
        UnavailableError: the folder or a file in it can't be made or read.
    """
    if settings.cql_store_type != "embedded":
        secret = signing_secret(settings) or _of_this_process(settings)
        return replace(settings, signing=replace(settings.signing, secret=secret))
    folder = Path(settings.data_path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        signing = signing_secret(settings) or _kept(folder / "signing.secret")
        callback = settings.callback.secret or _kept(folder / "callback.secret")
    except OSError as error:
        raise UnavailableError(
            f"data-path (NEXUS__DATA_PATH): {error.filename or folder} can't be used: "
            f"{error.strerror}"
        ) from error
    return replace(
        settings,
        signing=replace(settings.signing, secret=signing),
        callback=replace(settings.callback, secret=callback),
    )


def _of_this_process(settings: ServiceSettings) -> Secret:
    """Make a secret for URLs that this very process signs and verifies, if it signs any at all."""
    section = settings.s3_buffer
    in_bucket = section.payload_storage_path.startswith(("s3:", "s3a:"))
    proxied = section.payload_urls == "proxied" or not in_bucket or settings.public_url
    if section.payload_storage_path and proxied:
        raise SettingsError(
            "signing.secret (NEXUS__SIGNING__SECRET): must be set, the same for all schedulers, "
            "since payloads are served by them"
        )
    return OwnSecret(secrets.token_urlsafe(_SECRET_BYTES))


def _kept(file: Path) -> Secret:
    """Read a secret, or make it; of several that make it at the same time, one wins for all."""
    if not file.exists():
        draft = file.with_name(f"{file.name}.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(_SECRET_BYTES), encoding="ascii")
        try:
            os.link(draft, file)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return Secret(file.read_text(encoding="ascii").strip())
