"""The errors of Nexus, by meaning.

Adapters translate the errors of their drivers into these at their edge; each service maps these to
HTTP status codes in one table.
"""

import msgspec


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong with an input: where, and what."""

    field: str
    """Path of the field as its writer sees it, such as `spec.computeResources.limits.cpu`."""
    message: str
    """What is wrong and what it may be, as a clause: `must be a quantity such as 500Mi`."""

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


class NexusError(Exception):
    """Root of every error that Nexus raises on purpose."""


class InvalidInputError(NexusError):
    """The caller's input is wrong; sending it again changes nothing."""

    def __init__(self, message: str, problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems


class NotFoundError(NexusError):
    """What was commanded names something that does not exist."""


class ConflictError(NexusError):
    """The input contradicts what is already recorded."""


class JobRejectedError(NexusError):
    """A cluster will never take this Job, and says why in its own words."""


class UnavailableError(NexusError):
    """A part that is needed refuses, or can't be reached; nothing is known to have changed.

    `retry_after` is in seconds, None when the part did not say.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotNowError(UnavailableError):
    """A part answers, and does not do this now: a limit, a quota, a missing right.

    So it can be reached, and may well do something else, or the same later.
    """


class HeldUpError(NotNowError):
    """What was to be sent was held up until it was outdated: nothing was sent. Look again."""


class OverloadedError(NotNowError):
    """Nexus itself holds as much as it can keep; `retry_after` says when to come again."""
