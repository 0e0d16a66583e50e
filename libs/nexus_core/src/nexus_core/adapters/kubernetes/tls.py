"""TLS contexts, made of PEM."""

import ssl
import tempfile
from datetime import datetime
from pathlib import Path

from cryptography import x509

from nexus_core.adapters.kubernetes.access import Tls
from nexus_core.domain.errors import InvalidInputError, UnavailableError


def make_context(tls: Tls) -> ssl.SSLContext:
    """Return a context for connections of a client.

    Raises:
        InvalidInputError: a certificate or key is not sound, as a clause that names which.
        UnavailableError: there is no room for them where they have to be for a moment; likewise.
    """
    context = ssl.create_default_context()
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif tls.ca:
        context = _trusting(tls.ca)
    if tls.certificate:
        try:
            _present(context, tls)
        except OSError as error:
            raise UnavailableError(
                "the client certificate can't be put into a temporary file: "
                f"{error.strerror or error}"
            ) from error
    return context


def certificate_expiry(certificate: bytes) -> datetime:
    """Return until when a certificate is valid, the first of a chain; aware, in UTC.

    Raises:
        InvalidInputError: it is no certificate, as a clause.
    """
    try:
        return x509.load_pem_x509_certificate(certificate).not_valid_after_utc
    except ValueError as error:
        raise InvalidInputError("the client certificate is not PEM") from error


def _trusting(ca: bytes) -> ssl.SSLContext:
    """Return a context that trusts one authority and no other."""
    try:
        return ssl.create_default_context(cadata=ca.decode("ascii"))
    except (ssl.SSLError, UnicodeDecodeError, ValueError) as error:
        raise InvalidInputError("the certificate authority is not PEM") from error


def _present(context: ssl.SSLContext, tls: Tls) -> None:
    # Python reads certificates from files alone. These are gone before anybody else could look.
    with tempfile.TemporaryDirectory(prefix="nexus-") as folder:
        certificate, key = Path(folder, "certificate"), Path(folder, "key")
        certificate.write_bytes(tls.certificate)
        key.write_bytes(tls.key)
        try:
            context.load_cert_chain(certificate, key)
        except ssl.SSLError as error:
            why = (error.reason or str(error)).lower().replace("_", " ")
            raise InvalidInputError(
                f"the client certificate and its key can't be used ({why})"
            ) from error
