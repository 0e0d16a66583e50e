"""What can go wrong between us and a server, by what it means to who asked.

All are `UnavailableError`, so that those above need to know none of them. The store knows one: an
outcome that is unknown is settled by a serial read.
"""

from nexus_core.domain.errors import UnavailableError


class NotReachedError(UnavailableError):
    """Nothing was sent, or nothing that could have changed a row: repeating it is safe."""


class RefusedError(UnavailableError):
    """The server refused before it did anything: it is overloaded, or has too few replicas."""


class OutcomeUnknownError(UnavailableError):
    """A write was sent and no answer came: it may have happened, or may happen yet.

    A timeout, a connection that broke, or a server that says so itself. Not for reads.
    """


class UnusableError(UnavailableError):
    """It fails until somebody repairs it: a missing table, a refused login, a bad certificate."""
