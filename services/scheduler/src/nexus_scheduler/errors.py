"""What can be wrong with a request to the scheduler, and the status codes for it."""

from nexus_core.domain.errors import (
    ConflictError,
    InvalidInputError,
    NexusError,
    NotFoundError,
    OverloadedError,
    UnavailableError,
)
from nexus_core.domain.signed_url import UrlRefusedError
from nexus_core.web.bodies import BodyTooLargeError, BodyTooSlowError
from nexus_core.web.errors import StatusTable


class UnknownAlgorithmError(InvalidInputError):
    """The catalogue has no template of that name."""


class AlreadyFinishedError(ConflictError):
    """The run has finished, and a finished run never changes."""


class KeyReusedError(ConflictError):
    """An idempotency key came again with another request."""


class NoPayloadError(NexusError):
    """No payload is stored for the run."""


# v1 is frozen: published clients decode no other code than the contract lists for a route.
V1_STATUSES: StatusTable = {
    NexusError: 500,
    InvalidInputError: 400,
    ConflictError: 400,
    NotFoundError: 404,
    NoPayloadError: 417,
    OverloadedError: 429,
    UnavailableError: 503,
}

LATEST_STATUSES: StatusTable = {
    NexusError: 500,
    InvalidInputError: 400,
    UnknownAlgorithmError: 404,
    BodyTooSlowError: 408,
    BodyTooLargeError: 413,
    NotFoundError: 404,
    ConflictError: 409,
    KeyReusedError: 422,
    NoPayloadError: 404,
    OverloadedError: 429,
    UnavailableError: 503,
}

DATA_STATUSES: StatusTable = {**LATEST_STATUSES, UrlRefusedError: 403}
