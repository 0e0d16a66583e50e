"""The doors of `/data/v1`: what a signed URL of Nexus' own opens, and for how long."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from math import ceil, floor

from nexus_core.domain.names import RunKey
from nexus_core.domain.signed_url import check_secret, sign, verify

DEFAULT_TENANT = "nexus"

# The instance that verifies may have its clock a little behind that of the one that signed; an
# algorithm that starts at once must not find its payload "not valid yet".
_CLOCK_SKEW_SECONDS = 60


class Door(StrEnum):
    """What a URL leads to. Each door has a path of its own, so that no URL opens another one."""

    PAYLOADS = "payloads"
    """GET: the payload of a run."""
    RESULTS = "results"
    """GET: the uploaded result of a run."""
    UPLOADS = "uploads"
    """PUT: the result of a run."""


def data_path(door: Door, key: RunKey) -> str:
    """Return the path of a door. Keys are URL-safe by rule, so it is encoded as it stands."""
    return f"/data/v1/{door}/{key.algorithm}/requests/{key.request_id}"


class SignedUrls:
    """Makes the URLs of the doors of `/data/v1`, and tells those it made from all others.

    All schedulers that may be asked share one secret and one tenant.
    """

    def __init__(self, base_url: str, secret: bytes, tenant: str = DEFAULT_TENANT) -> None:
        """Take the URL at which algorithms and clients reach `/data/v1`, without a last slash.

        A path in it is the business of the proxy that serves it: it is not signed.

        Raises:
            InvalidInputError: the secret is empty or longer than 64 bytes.
        """
        check_secret(secret)
        self._base_url = base_url.rstrip("/")
        self._secret = secret
        self._tenant = tenant

    def at(self, base_url: str) -> "SignedUrls":
        """Return what makes URLs for those who reach `/data/v1` elsewhere; both open the same."""
        return SignedUrls(base_url, self._secret, self._tenant)

    def make(
        self,
        door: Door,
        key: RunKey,
        *,
        now: datetime,
        valid_for: timedelta,
        checksum: str = "",
    ) -> str:
        """Return a URL that opens a door until `now + valid_for`, for whole seconds around it."""
        path, at = data_path(door, key), now.timestamp()
        query = sign(
            self._secret,
            path,
            tenant=self._tenant,
            checksum=checksum,
            start=floor(at) - _CLOCK_SKEW_SECONDS,
            end=ceil(at + valid_for.total_seconds()),
        )
        return f"{self._base_url}{path}?{query}"

    def verify(self, raw_path: str, query: Mapping[str, str], now: datetime) -> None:
        """Return when the path, as it stands encoded in the request, may be opened now.

        Raises:
            UrlRefusedError: one of its kinds, which say why not.
        """
        verify(self._secret, raw_path, query, tenant=self._tenant, now=now)
