"""What it means that an API server refuses a Job. Pure.

A mistake in the manifest is the run's, and final. Everything else is the operator's or the
server's, passes, and must fail no run: missing rights, a quota, a namespace on its way out.
"""

import re

from nexus_core.adapters.kubernetes.answers import Answer, Status
from nexus_core.domain.errors import JobRejectedError, NotNowError, UnavailableError

# What the API server's own authorizers say; admission speaks of the object, never of the user.
_NO_RIGHTS = re.compile(r'User "[^"]*" cannot ')
# The latter while a new quota was not yet counted.
_QUOTA = re.compile(r"exceeded quota|status unknown for quota")

# Of Kubernetes: the object is malformed, invalid, too large, or of a kind that is not there.
_FINAL = frozenset({400, 405, 413, 415, 422})
_FORBIDDEN = 403
_CONFLICT = 409


def is_there_already(answer: Answer) -> bool:
    """Tell whether a creation was refused because an object of that name exists."""
    return answer.status == _CONFLICT and answer.refusal().reason == "AlreadyExists"


def refusal_of(
    answer: Answer, origin: str, retry_after: float | None
) -> JobRejectedError | UnavailableError:
    """Return what a refused creation means; its words are the server's own."""
    status = answer.refusal()
    if _is_final(answer.status, status):
        return JobRejectedError(status.message)
    what = "can't create Jobs there" if answer.status == _FORBIDDEN else "did not create the Job"
    return not_done(answer, f"{origin}: {what}: {status.message}", retry_after)


def not_done(answer: Answer, why: str, retry_after: float | None) -> UnavailableError:
    """Return what it means that a server did not do as asked, and that it may do so later.

    A refusal of the API server's own shows that it is there. A failure, or a page of some proxy in
    its place, does not.
    """
    is_there = bool(answer.refusal().reason) and not answer.is_failure
    return (NotNowError if is_there else UnavailableError)(why, retry_after)


def _is_final(code: int, status: Status) -> bool:
    if not status.reason:
        # No API server's answer, but some proxy's: it knows nothing of the manifest.
        return False
    if code == _FORBIDDEN:
        return not (
            _NO_RIGHTS.search(status.message)
            or _QUOTA.search(status.message)
            or _is_namespace_ending(status)
        )
    return code in _FINAL


def _is_namespace_ending(status: Status) -> bool:
    causes = (status.details.causes if status.details else None) or ()
    return any(cause.reason == "NamespaceTerminating" for cause in causes)
