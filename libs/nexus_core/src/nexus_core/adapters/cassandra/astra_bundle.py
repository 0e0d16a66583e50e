"""Secure connection bundles of Astra: a zip with certificates and the address of its service.

Drivers read it from a file. We read it first, since they say little of one that is broken.
"""

import base64
import io
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from nexus_core.domain.errors import InvalidInputError

_MEMBERS = ("config.json", "ca.crt", "cert", "key")


class Bundle(msgspec.Struct, frozen=True):
    """A sound bundle, as the bytes of its zip."""

    content: bytes

    def __repr__(self) -> str:
        return "Bundle(***)"


class _Config(msgspec.Struct):
    host: str
    port: int


def read_bundle(text: str) -> Bundle:
    """Read a bundle from base64.

    Raises:
        InvalidInputError: it is broken; as a clause that says how.
    """
    try:
        content = base64.b64decode("".join(text.split()), validate=True)
    except ValueError as error:
        raise InvalidInputError("is not base64") from error
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            missing = [member for member in _MEMBERS if member not in archive.namelist()]
            config = b"" if missing else archive.read("config.json")
    except (zipfile.BadZipFile, OSError) as error:
        raise InvalidInputError("is no zip, or a damaged one") from error
    if missing:
        raise InvalidInputError(f"is no secure connection bundle: it lacks {', '.join(missing)}")
    try:
        msgspec.json.decode(config, type=_Config)
    except msgspec.DecodeError as error:
        raise InvalidInputError(f"has a config.json that can't be read: {error}") from error
    return Bundle(content)


@contextmanager
def kept(bundle: Bundle) -> Iterator[Path]:
    """Keep a bundle in a file that nobody else may read, until the block is left."""
    # A folder of its own: one driver unpacks the bundle beside it.
    with tempfile.TemporaryDirectory(prefix="nexus-astra-") as folder:
        path = Path(folder) / "bundle.zip"
        path.touch(mode=0o600)
        path.write_bytes(bundle.content)
        yield path
