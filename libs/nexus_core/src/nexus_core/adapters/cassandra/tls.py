"""Certificates from files, checked before anybody connects with them."""

import ssl
from pathlib import Path

from nexus_core.adapters.cassandra.plan import Tls
from nexus_core.domain.errors import InvalidInputError


def tls_context(tls: Tls) -> ssl.SSLContext:
    """Return what Python's own TLS needs.

    Raises:
        InvalidInputError: a file can't be read or holds something else; the text names it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = tls.verify_address
    trust(context, tls.ca)
    if tls.certificate and tls.key:
        present(context, tls.certificate, tls.key)
    return context


def trust(context: ssl.SSLContext, authorities: Path) -> None:
    """Believe the certificates that the authorities in a file have signed."""
    try:
        context.load_verify_locations(authorities)
    except ssl.SSLError as error:
        raise InvalidInputError(f"{authorities} holds no certificate in PEM") from error
    except OSError as error:
        raise InvalidInputError(f"{authorities} can't be read: {error.strerror}") from error


def present(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Show who we are by a certificate and its key."""
    for file in (certificate, key):
        try:
            file.read_bytes()
        except OSError as error:
            raise InvalidInputError(f"{file} can't be read: {error.strerror}") from error
    try:
        # Given, so that an encrypted key is an error and not a question on the terminal.
        context.load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise InvalidInputError(f"{key} is not the key of {certificate}") from error
        raise InvalidInputError(
            f"{certificate} and {key} are no certificate and key in PEM, or the key is encrypted"
        ) from error
