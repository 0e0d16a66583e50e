"""Names and identifiers, and what makes one well-formed."""

import re
from typing import Annotated

import msgspec
from msgspec import Meta

from nexus_core.domain.errors import InvalidInputError, Problem

# The algorithm's name is a label value on every Job, and Kubernetes allows those 63 characters.
MAX_NAME_LENGTH = 63

RESOURCE_NAME_RULE = f"must be a lower-case DNS name of at most {MAX_NAME_LENGTH} characters"
"""What to say of a text that is no resource name."""

# No `.` or `-` at an end, no two dots in a row.
RESOURCE_NAME_PATTERN = re.compile(r"[a-z0-9]((\.?-)*\.?[a-z0-9])*")
_REQUEST_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

ResourceName = Annotated[
    str, Meta(max_length=MAX_NAME_LENGTH, pattern=f"^{RESOURCE_NAME_PATTERN.pattern}$")
]
"""The type of what `is_resource_name`."""

RequestId = Annotated[str, Meta(pattern=f"^{_REQUEST_ID.pattern}$")]
"""The type of what `is_request_id`."""


class RunKey(msgspec.Struct, frozen=True, order=True, gc=False):
    """What identifies a run in every table, URL and log line."""

    algorithm: str
    request_id: str

    def __str__(self) -> str:
        return f"{self.algorithm}/{self.request_id}"


def is_resource_name(text: str) -> bool:
    """Tell whether `text` can name a template, workgroup or cluster: lower-case DNS, at most 63."""
    return len(text) <= MAX_NAME_LENGTH and RESOURCE_NAME_PATTERN.fullmatch(text) is not None


def is_request_id(text: str) -> bool:
    """Tell whether `text` is a UUID in its canonical lower-case form, also a Job's name."""
    return _REQUEST_ID.fullmatch(text) is not None


def parse_run_key(algorithm: str, request_id: str) -> RunKey:
    """Make a key of two path segments.

    Raises:
        InvalidInputError: one of them is no name or no id.
    """
    problems = []
    if not is_resource_name(algorithm):
        problems.append(Problem("algorithmName", RESOURCE_NAME_RULE))
    if not is_request_id(request_id):
        problems.append(Problem("requestId", "must be a UUID in lower-case canonical form"))
    if problems:
        raise InvalidInputError("; ".join(map(str, problems)), tuple(problems))
    return RunKey(algorithm, request_id)
