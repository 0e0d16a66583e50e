"""The URLs of objects: the bucket in the path, or in the name of the host."""

import re
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple, Self
from urllib.parse import quote, urlsplit

from nexus_core.domain.errors import InvalidInputError

_DEFAULT_PORTS = {"http": 80, "https": 443}

# A wildcard certificate covers one label, and a bucket in a host name has to be one.
_DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")

_AWS = re.compile(r"(^|\.)amazonaws\.com(\.cn)?$")


class Addressing(StrEnum):
    """Where a URL names the bucket."""

    AUTO = "auto"
    """`VIRTUAL` at Amazon, `PATH` elsewhere, as the Go implementation does."""
    PATH = "path"
    """`https://endpoint/bucket/key`"""
    VIRTUAL = "virtual"
    """`https://bucket.endpoint/key`"""


class BucketAddress(NamedTuple):
    """Where the objects of a bucket are found."""

    origin: str
    """Scheme and host, no slash at the end."""
    host: str
    """As the header `Host` says it: with a port unless it is the scheme's own."""
    path: str
    """What the path of every object begins with; empty, or begins with a slash."""

    @classmethod
    def of(cls, endpoint: str, bucket: str, addressing: Addressing) -> Self:
        """Return the address of a bucket at an endpoint.

        Raises:
            InvalidInputError: the endpoint is no URL.
        """
        scheme, host, base = _parts(endpoint)
        if _is_virtual(host, bucket, addressing):
            host = f"{bucket}.{host}"
        else:
            base = f"{base}/{bucket}"
        return cls(f"{scheme}://{host}", host, base)

    def path_of(self, key: str) -> str:
        """Return the path of an object, encoded as signatures want it."""
        folder, slash, name = key.rpartition("/")
        return f"{self.path}/{_quoted(folder)}{slash}{quote(name)}"


@lru_cache(maxsize=1024)
def _quoted(folder: str) -> str:
    # The folders are as many as algorithms, and most of what there is to encode.
    return quote(folder)


def _parts(endpoint: str) -> tuple[str, str, str]:
    """Return scheme, host with a port that is not the scheme's own, and path."""
    try:
        parts = urlsplit(endpoint)
        port = parts.port
    except ValueError as error:
        raise InvalidInputError(f"is no URL: {error}") from error
    scheme, host = parts.scheme, parts.hostname or ""
    if scheme not in _DEFAULT_PORTS or not host or parts.query or parts.fragment or parts.username:
        raise InvalidInputError("must be a URL such as https://s3.eu-west-1.amazonaws.com")
    if ":" in host:
        host = f"[{host}]"
    if port and port != _DEFAULT_PORTS[scheme]:
        host = f"{host}:{port}"
    return scheme, host, parts.path.rstrip("/")


def _is_virtual(host: str, bucket: str, addressing: Addressing) -> bool:
    if addressing is Addressing.AUTO:
        return bool(_AWS.search(host)) and bool(_DNS_LABEL.fullmatch(bucket))
    return addressing is Addressing.VIRTUAL
