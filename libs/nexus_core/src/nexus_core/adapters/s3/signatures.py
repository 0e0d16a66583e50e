"""Amazon's Signature Version 4 for S3: in a header, and in a URL that needs no credentials.

By hand, because every run is signed for several times, and botocore takes fourteen times as long
for the same bytes: see the decision on signed requests.
"""

import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import quote

from nexus_core.adapters.s3.addresses import BucketAddress

LONGEST_VALIDITY = timedelta(days=7)
"""Of a presigned URL; S3 refuses longer ones."""

_ALGORITHM = "AWS4-HMAC-SHA256"

_NO_QUERY: Mapping[str, str] = MappingProxyType({})


class Credentials(NamedTuple):
    """Who signs."""

    access_key_id: str
    secret_access_key: str
    session_token: str = ""
    """Of temporary credentials; empty: they are not temporary."""

    def __repr__(self) -> str:
        return f"Credentials({self.access_key_id!r}, ***)"


class Request(NamedTuple):
    """What is asked of a bucket."""

    method: str
    key: str = ""
    """Of an object; empty: the bucket itself."""
    query: Mapping[str, str] = _NO_QUERY
    """Names and values, not encoded."""
    body: bytes = b""
    content_type: str = ""


class _Second(NamedTuple):
    """What all signatures of one second share; making it takes as long as a signature."""

    time: str
    scope: str
    credential: str
    quoted_credential: str
    key: bytes


class Signer:
    """Signs requests to a bucket, and URLs of its objects."""

    def __init__(self, address: BucketAddress, region: str) -> None:
        self._address = address
        self._region = region
        self._last: tuple[Credentials, datetime, _Second] | None = None

    def presign(
        self,
        credentials: Credentials,
        method: str,
        key: str,
        *,
        now: datetime,
        valid_for: timedelta,
    ) -> str:
        """Return a URL of an object for one method, valid until `now + valid_for`, whole seconds.

        The validity is at least one second and at most `LONGEST_VALIDITY`: the caller has seen to
        it. Whatever the body and headers of the request: only `Host` is signed.
        """
        second = self._second(credentials, now)
        address, path = self._address, self._address.path_of(key)
        query = (
            f"X-Amz-Algorithm={_ALGORITHM}"
            f"&X-Amz-Credential={second.quoted_credential}"
            f"&X-Amz-Date={second.time}"
            f"&X-Amz-Expires={int(valid_for.total_seconds())}"
        )
        # In this order the text is sorted, which is what is signed, when the token goes ahead of
        # the names of headers; servers take any order, and botocore's has the token last.
        names = "&X-Amz-SignedHeaders=host"
        token = (
            f"&X-Amz-Security-Token={quote(credentials.session_token, safe='')}"
            if credentials.session_token
            else ""
        )
        canonical = (
            f"{method}\n{path}\n{query}{token}{names}\n"
            f"host:{address.host}\n\nhost\nUNSIGNED-PAYLOAD"
        )
        signature = _signature(second, canonical)
        return f"{address.origin}{path}?{query}{names}{token}&X-Amz-Signature={signature}"

    def headers(
        self, credentials: Credentials, request: Request, body_hash: str, now: datetime
    ) -> dict[str, str]:
        """Return the headers of a request with its signature, lower-case.

        Args:
            credentials: who signs.
            request: what is signed.
            body_hash: SHA-256 of its body in hex; the server compares it with what it received.
            now: the time; servers refuse one that is a quarter of an hour off.
        """
        second = self._second(credentials, now)
        # In the order of their names, which is what is signed.
        headers = {"content-type": request.content_type} if request.content_type else {}
        headers["host"] = self._address.host
        headers["x-amz-content-sha256"] = body_hash
        headers["x-amz-date"] = second.time
        if credentials.session_token:
            headers["x-amz-security-token"] = credentials.session_token
        names = ";".join(headers)
        lines = "".join([f"{name}:{value}\n" for name, value in headers.items()])
        path, query = self._address.path_of(request.key), encode_query(request.query)
        canonical = f"{request.method}\n{path}\n{query}\n{lines}\n{names}\n{body_hash}"
        headers["authorization"] = (
            f"{_ALGORITHM} Credential={second.credential},"
            f"SignedHeaders={names},Signature={_signature(second, canonical)}"
        )
        return headers

    def _second(self, credentials: Credentials, now: datetime) -> _Second:
        now = now.replace(microsecond=0)
        if self._last and self._last[0] == credentials and self._last[1] == now:
            return self._last[2]
        # `now` is aware and in UTC, as clocks tell it.
        time = f"{now:%Y%m%dT%H%M%SZ}"
        scope = f"{time[:8]}/{self._region}/s3/aws4_request"
        credential = f"{credentials.access_key_id}/{scope}"
        key = f"AWS4{credentials.secret_access_key}".encode()
        for part in (time[:8], self._region, "s3", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        second = _Second(time, scope, credential, quote(credential, safe=""), key)
        self._last = (credentials, now, second)
        return second


def encode_query(query: Mapping[str, str]) -> str:
    """Return a query string, sorted and encoded as signatures want it."""
    encoded = [f"{quote(name, safe='')}={quote(query[name], safe='')}" for name in sorted(query)]
    return "&".join(encoded)


def _signature(second: _Second, canonical: str) -> str:
    digest = sha256(canonical.encode()).hexdigest()
    text = f"{_ALGORITHM}\n{second.time}\n{second.scope}\n{digest}"
    return hmac.digest(second.key, text.encode(), "sha256").hex()
