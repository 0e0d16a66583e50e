"""What the refusals and silences of a server mean, in one line that says what to look at."""

import os
import ssl
from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple, Self
from urllib.parse import urlsplit

import aiohttp
from botocore.exceptions import BotoCoreError, NoCredentialsError, PartialCredentialsError

from nexus_core.adapters.s3.documents import texts_of
from nexus_core.domain.errors import UnavailableError

_PATH = "s3-buffer.payload-storage-path (NEXUS__S3_BUFFER__PAYLOAD_STORAGE_PATH)"
_KEY_ID = "s3-buffer.access-key-id (NEXUS__S3_BUFFER__ACCESS_KEY_ID)"
_SECRET = "s3-buffer.secret-access-key (NEXUS__S3_BUFFER__SECRET_ACCESS_KEY)"  # noqa: S105 - a name
_REGION = "s3-buffer.region (NEXUS__S3_BUFFER__REGION)"
ENDPOINT = "s3-buffer.endpoint (NEXUS__S3_BUFFER__ENDPOINT)"
CA_FILE = "s3-buffer.ca-file (NEXUS__S3_BUFFER__CA_FILE)"

# With these a server says that it, and not the request, is the trouble.
_TRANSIENT_STATUSES = frozenset({429, 500, 502, 503, 504})
_TRANSIENT_CODES = frozenset({"InternalError", "OperationAborted", "RequestTimeout", "SlowDown"})

# That there is no such object, not that there is no such bucket; answers to HEAD have no code.
_ABSENT_CODES = frozenset({"", "NoSuchKey", "NoSuchUpload"})

_MEANINGS = {
    "NoSuchBucket": f"there is no such bucket; make it, or see {_PATH}",
    "InvalidAccessKeyId": f"there is no such access key; see {_KEY_ID}",
    "SignatureDoesNotMatch": f"the secret does not belong to the access key; see {_SECRET}",
    "ExpiredToken": "the temporary credentials have expired, and nothing renewed them",
    "InvalidToken": "the session token does not belong to the access key",
    "AccessDenied": "access denied; the access key needs the rights that docs/how-to/s3.md lists",
    "RequestTimeTooSkewed": "the clock of this machine and that of the server are too far apart",
}

# As servers say it that a request was signed for another region than the bucket's.
_WRONG_REGION = frozenset(
    {
        "AuthorizationHeaderMalformed",
        "AuthorizationQueryParametersError",
        "IllegalLocationConstraintException",
        "PermanentRedirect",
        "TemporaryRedirect",
    }
)


class TransientError(UnavailableError):
    """Trying again soon may help."""


class RefusedError(UnavailableError):
    """The server answered, and trying again will not help."""


class AbsentError(RefusedError):
    """There is no such object. Never leaves the adapter."""


class Place(NamedTuple):
    """What errors are about."""

    bucket: str
    endpoint: str
    region: str

    def __str__(self) -> str:
        return f"bucket '{self.bucket}' at {self.endpoint}"


class Answer(NamedTuple):
    """How a server refused."""

    status: int
    code: str = ""
    message: str = ""
    region: str = ""
    """That of the bucket, where the server says it."""
    retry_after: float | None = None
    location: str = ""
    """Where it sends us instead."""
    foreign: bool = False
    """It says something, and not as S3 does: another server, such as a proxy, speaks for it."""

    @classmethod
    def read(cls, status: int, headers: Mapping[str, str], body: bytes) -> Self:
        """Read an answer; of one that is no XML, such as a proxy's, the status has to do."""
        said = texts_of(body)
        return cls(
            status=status,
            code=said.get("Code", ""),
            message=said.get("Message", ""),
            region=headers.get("x-amz-bucket-region") or said.get("Region", ""),
            retry_after=_seconds(headers.get("retry-after")),
            location=headers.get("location", ""),
            foreign=bool(body) and not said,
        )


def refused(place: Place, answer: Answer) -> UnavailableError:
    """Return the error for a refusal."""
    # A proxy that knows no server to ask says the same of all that there is.
    if (
        answer.status == HTTPStatus.NOT_FOUND
        and answer.code in _ABSENT_CODES
        and not answer.foreign
    ):
        return AbsentError(f"{place}: {_words(answer)}")
    if answer.status in _TRANSIENT_STATUSES or answer.code in _TRANSIENT_CODES:
        return TransientError(f"{place}: {_words(answer)}", answer.retry_after)
    if answer.location and not (answer.code or answer.region):
        # A proxy's, mostly from http to https. Not followed: the signature is of this address.
        return RefusedError(f"{place} sends us to {_origin(answer.location)}; see {ENDPOINT}")
    if _is_region(place, answer):
        other = f"; it is in '{answer.region}'" if answer.region else ""
        return RefusedError(f"{place} is not in region '{place.region}'{other}; see {_REGION}")
    return RefusedError(f"{place}: {_MEANINGS.get(answer.code) or _words(answer)}")


def failed(place: Place, error: Exception) -> UnavailableError:
    """Return the error for a request that got no answer, or for one that never went out."""
    causes: list[BaseException] = [error]
    while inner := _inner(causes[-1]):
        causes.append(inner)
    for cause in causes:
        if said := _local_trouble(cause):
            return UnavailableError(f"{place}: {said}")
    if any(isinstance(cause, TimeoutError | aiohttp.ServerTimeoutError) for cause in causes):
        return TransientError(f"{place} can't be reached: no connection in time; see {ENDPOINT}")
    reason = next(filter(None, map(_reason, causes)), f"{causes[-1]!r}")
    return TransientError(f"{place} can't be reached: {reason}; see {ENDPOINT}")


def late(place: Place, seconds: float) -> UnavailableError:
    """Return the error for an operation that took too long."""
    return UnavailableError(f"{place} did not answer within {seconds:g} s")


def _local_trouble(cause: BaseException) -> str:
    """Return what is wrong on our side, where that is so; trying again does not mend it."""
    # Those of aiohttp are errors of TLS too, by inheritance alone; what they wrap says more.
    if isinstance(cause, aiohttp.ClientError):
        return ""
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {cause.verify_message}; see {CA_FILE}"
    if isinstance(cause, ssl.SSLError):
        return f"TLS fails: {cause}; see {ENDPOINT}"
    if isinstance(cause, NoCredentialsError | PartialCredentialsError):
        return f"no credentials: set {_KEY_ID} and its secret, or give AWS's default chain some"
    if isinstance(cause, BotoCoreError):
        return f"the credentials can't be had: {cause}"
    # A closed session, and credentials that were renewed and are no good.
    return str(cause) if isinstance(cause, RuntimeError) else ""


def _reason(cause: BaseException) -> str:
    """Return the system's word for a failed call, without the call."""
    if isinstance(cause, aiohttp.ClientResponseError):
        # Its own words are those of the answer, on several lines.
        return "what answers there speaks no HTTP"
    if not isinstance(cause, OSError) or not cause.errno:
        return ""
    # Names that can't be resolved have numbers of their own, below zero.
    return os.strerror(cause.errno) if cause.errno > 0 else cause.strerror or ""


def _inner(error: BaseException) -> BaseException | None:
    """Return what a library has wrapped."""
    for name in ("certificate_error", "os_error", "__cause__"):
        inner = getattr(error, name, None)
        if isinstance(inner, BaseException) and inner is not error:
            return inner
    return None


def _is_region(place: Place, answer: Answer) -> bool:
    return (
        answer.code in _WRONG_REGION
        or answer.status in {301, 307, 308}
        or (answer.region not in {"", place.region} and answer.code in {"", "AccessDenied"})
    )


def _origin(location: str) -> str:
    """Return where a redirection leads, without path and query, which are those of one object."""
    try:
        parts = urlsplit(location)
    except ValueError:
        return "no URL"
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else "another path of it"


def _words(answer: Answer) -> str:
    try:
        phrase = HTTPStatus(answer.status).phrase
    except ValueError:
        phrase = "unknown status"
    said = f"{answer.code or phrase}: {answer.message}" if answer.message else answer.code or phrase
    return f"{said.splitlines()[0]} ({answer.status})"


def _seconds(text: str | None) -> float | None:
    # A date is allowed here too; nobody was seen to send one.
    return float(text) if text and text.isascii() and text.isdecimal() else None
