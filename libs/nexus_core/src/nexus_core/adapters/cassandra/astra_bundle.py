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

from nexus_core.adapters.cassandra.plan import Tls
from nexus_core.domain.errors import InvalidInputError

_MEMBERS = ("config.json", "ca.crt", "cert", "key")


class Bundle(msgspec.Struct, frozen=True):
    """A sound bundle, as the bytes of its zip."""

    content: bytes

    def __repr__(self) -> str:
        return "Bundle(***)"


def tls_of(bundle: Path) -> Tls:
    """Return the certificates that are kept beside a bundle."""
    folder = bundle.parent
    return Tls(ca=folder / "ca.crt", certificate=folder / "cert", key=folder / "key")


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
    """Keep a bundle, and its certificates beside it, where nobody else may read them.

    Until the block is left. Yields the bundle's file.
    """
    with tempfile.TemporaryDirectory(prefix="nexus-astra-") as folder:
        # The folder is ours alone.
        path = Path(folder) / "bundle.zip"
        path.write_bytes(bundle.content)
        with zipfile.ZipFile(path) as archive:
            for member in _MEMBERS:
                (path.parent / member).write_bytes(archive.read(member))
        yield path
