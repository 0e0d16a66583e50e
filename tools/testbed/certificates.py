"""The certificate authority of a testbed, and what it issues. Everything is a PEM file."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from tools.testbed.ports import LOOPBACK

SERVER_NAMES = ("localhost", LOOPBACK)
"""Of a server on this machine."""


class Certificate(NamedTuple):
    """A certificate, good for servers and clients, and its key."""

    certificate: Path
    """With the chain up to the authority."""
    key: Path
    """PKCS #8, unencrypted: the one form that Java, Go and OpenSSL all read."""


class Authority:
    """A certificate authority whose files lie in a folder; made when they are not there."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.certificate = folder / "ca.pem"
        self.key = folder / "ca.key"
        if self.key.exists():
            self._ca = trustme.CA.from_pem(self.certificate.read_bytes(), self.key.read_bytes())
        else:
            self._ca = trustme.CA(organization_name="Nexus testbed")
            self.certificate.write_bytes(self._ca.cert_pem.bytes())
            _write_key(self.key, self._ca.private_key_pem.bytes())

    def issue(
        self,
        name: str,
        *,
        identities: tuple[str, ...] = SERVER_NAMES,
        organization: str | None = None,
        expired: bool = False,
    ) -> Certificate:
        """Issue `<name>.pem` and `<name>.key` anew, for the common name `name`.

        Args:
            name: The common name: whom Kubernetes takes a client for.
            identities: The host names and addresses of a server.
            organization: The group that Kubernetes counts a client to.
            expired: Whether its time was over yesterday.
        """
        now = datetime.now(UTC)
        issued = self._ca.issue_cert(
            *identities,
            common_name=name,
            organization_name=organization,
            not_before=now - timedelta(days=30),
            not_after=now + timedelta(days=-1 if expired else 365),
        )
        # A name such as `system:node:a` is no good name of a file.
        stem = name.replace(":", "-").replace("/", "-")
        made = Certificate(self._folder / f"{stem}.pem", self._folder / f"{stem}.key")
        made.certificate.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
        _write_key(made.key, issued.private_key_pem.bytes())
        return made


def _write_key(path: Path, pem: bytes) -> None:
    key = load_pem_private_key(pem, None)
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
