"""What an API server answers, and what its refusals mean."""

import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import msgspec

T = TypeVar("T")

_SERVER_ERRORS = 500
# Of a page that some proxy answered instead of the API server.
_LONGEST_PAGE = 200
# Seconds that a server is left alone at most. One that is busy asks for a few; a gateway that shows
# a page about maintenance may say tomorrow, and is gone within minutes.
_LONGEST_WISH = 60.0


class StatusCause(msgspec.Struct, frozen=True):
    """One of the reasons for a refusal."""

    reason: str = ""
    message: str = ""
    field: str = ""


class StatusDetails(msgspec.Struct, frozen=True, rename="camel"):
    """What a refusal is about."""

    name: str = ""
    kind: str = ""
    causes: list[StatusCause] | None = None
    retry_after_seconds: int = 0


class Status(msgspec.Struct, frozen=True):
    """Kubernetes' own description of a refusal, `metav1.Status`."""

    message: str = ""
    reason: str = ""
    """A word such as `AlreadyExists`, `Conflict`, `Forbidden`, `Invalid`, `Expired`."""
    code: int = 0
    details: StatusDetails | None = None


class Answer(msgspec.Struct, frozen=True):
    """A whole answer, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether the server did as asked."""
        return 200 <= self.status < 300  # noqa: PLR2004 - HTTP's own bounds

    @property
    def is_failure(self) -> bool:
        """Whether the server failed: it may have done as asked, or not."""
        return self.status >= _SERVER_ERRORS

    def date(self) -> datetime | None:
        """Return when the server says that it is, in whole seconds; None: it does not."""
        try:
            return parsedate_to_datetime(self.headers.get("Date", ""))
        except (ValueError, TypeError):
            return None

    def refusal(self) -> Status:
        """Return why the server refused, in its own words, also where it is no API server's."""
        try:
            status = _status.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            status = Status()
        if status.message:
            return status
        # An HTML page of a load balancer, or nothing.
        page = " ".join(self.body.decode(errors="replace").split())[:_LONGEST_PAGE]
        return Status(message=f"HTTP {self.status}" + (f": {page}" if page else ""))

    def retry_after(self, now: datetime) -> float | None:
        """Return the seconds after which the server asks to be called again; None: it does not.

        No more than a minute: what waits for it is not to wait for hours after it is back.
        """
        wish = self._wish(now)
        return None if wish is None else min(max(0.0, wish), _LONGEST_WISH)

    def _wish(self, now: datetime) -> float | None:
        written = self.headers.get("Retry-After", "").strip()
        if re.fullmatch(r"\d{1,6}", written):
            return float(written)
        try:
            return (parsedate_to_datetime(written) - now).total_seconds()
        except (ValueError, TypeError):
            details = self.refusal().details
            return float(details.retry_after_seconds) or None if details else None


_status = msgspec.json.Decoder(Status)
