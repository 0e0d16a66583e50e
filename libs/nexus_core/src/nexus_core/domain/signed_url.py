"""URLs that open one path for one stretch of time, to whoever holds them.

The signature covers the path, the tenant id, the checksum of the content, and the time. Paths are
signed as they stand in the URL, encoded: names and ids are URL-safe by rule, so there is one
spelling of each path, and another spelling (`%2D` for `-`) does not open it.
"""

import re
from binascii import b2a_base64
from collections.abc import Mapping
from datetime import datetime
from hashlib import blake2b
from hmac import compare_digest
from struct import Struct
from urllib.parse import quote

from nexus_core.domain.errors import InvalidInputError, NexusError

# BLAKE2b takes keys of up to 64 bytes, and an empty key would be no key at all.
MAX_SECRET_BYTES = 64

_DIGEST_BYTES = 32
_PERIOD = Struct("<QQ")
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
# One spelling a number: no sign, no leading zero, and never more than 64 bits can hold.
_UNIX_SECONDS = re.compile(r"0|[1-9][0-9]{0,17}")


class UrlRefusedError(NexusError):
    """A signed URL does not open what it asks for."""


class BadSignatureError(UrlRefusedError):
    """The signature does not prove the URL. One error for all reasons, so that none is learnt."""


class UrlExpiredError(UrlRefusedError):
    """The signature is right, and its time is over."""


class UrlNotYetValidError(UrlRefusedError):
    """The signature is right, and its time has not begun."""


def check_secret(secret: bytes) -> None:
    """Refuse a secret that can't sign.

    Raises:
        InvalidInputError: it is empty, or longer than BLAKE2b takes.
    """
    if not 1 <= len(secret) <= MAX_SECRET_BYTES:
        raise InvalidInputError(f"must be 1 to {MAX_SECRET_BYTES} bytes; it is {len(secret)}")


def sign(
    secret: bytes,
    path: str,
    *,
    tenant: str,
    checksum: str,
    start: int,
    end: int,
) -> str:
    """Return the query string that opens `path` from `start` until before `end`, in Unix seconds.

    `path` is the encoded path that the server sees, from its first slash; `secret` has passed
    `check_secret`.
    """
    signature = _signature(secret, path, tenant, checksum, start, end)
    chk, tid = _quoted(checksum), _quoted(tenant)
    return f"sig={signature}&from={start}&to={end}&tid={tid}&chk={chk}"


def verify(
    secret: bytes, path: str, query: Mapping[str, str], *, tenant: str, now: datetime
) -> None:
    """Return when the decoded query opens the encoded `path` to `tenant` now.

    The tenant is compared too, because the contract signs the texts one after the other without a
    border: else a letter could wander from one to its neighbour.

    Raises:
        BadSignatureError: anything is missing, malformed, or not what was signed.
        UrlExpiredError: it was valid, before `now`.
        UrlNotYetValidError: it will be valid, after `now`.
    """
    start, end = query.get("from", ""), query.get("to", "")
    if not _UNIX_SECONDS.fullmatch(start) or not _UNIX_SECONDS.fullmatch(end):
        raise BadSignatureError("bad signature")
    expected = _signature(secret, path, tenant, query.get("chk", ""), int(start), int(end))
    proven = compare_digest(_bytes(expected), _bytes(query.get("sig", "")))
    if not (proven and query.get("tid") == tenant and "chk" in query):
        raise BadSignatureError("bad signature")
    at = now.timestamp()
    if at >= int(end):
        raise UrlExpiredError("the URL has expired")
    if at < int(start):
        raise UrlNotYetValidError("the URL is not valid yet")


def _quoted(text: str) -> str:
    # Tenants are mostly words, and checksums base64 of hex: `quote` costs more than the signature.
    plain = text.rstrip("=")
    return (
        f"{plain}{'%3D' * (len(text) - len(plain))}"
        if plain.isalnum() and plain.isascii()
        else quote(text, safe="")
    )


def _signature(secret: bytes, path: str, tenant: str, checksum: str, start: int, end: int) -> str:
    message = _bytes(path + tenant + checksum) + _PERIOD.pack(start, end)
    digest = blake2b(message, digest_size=_DIGEST_BYTES, key=secret).digest()
    return b2a_base64(digest, newline=False).translate(_URL_SAFE, b"=").decode("ascii")


def _bytes(text: str) -> bytes:
    # A lone surrogate can come out of a decoder; it must end in a wrong signature, not in a crash.
    return text.encode("utf-8", "surrogatepass")
