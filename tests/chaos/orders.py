"""What clients want: a pure function of the seed."""

import random
from enum import StrEnum

import msgspec


class Kind(StrEnum):
    """How a run is meant to end, and how it gets there. Also the name of its algorithm."""

    COMPLETES = "completes"
    UPLOADS = "uploads"
    """Uploads its result, and completes without saying where it is."""
    REPORTS_ERROR = "reports-error"
    ENDS_FATALLY = "ends-fatally"
    RECOVERS = "recovers"
    """Its first try ends with a transient exit code."""
    RUNS_OUT_OF_RETRIES = "runs-out-of-retries"
    TAKES_MEMORY = "takes-memory"
    OVERSTAYS = "overstays"
    DOES_NOT_START = "does-not-start"
    SAYS_NOTHING = "says-nothing"
    """Ends with exit code 0 and reports nothing."""
    IS_DRY = "is-dry"
    IS_CANCELLED = "is-cancelled"
    """While it runs."""
    IS_CANCELLED_EARLY = "is-cancelled-early"
    """As soon as it is accepted."""
    RACES_ITS_CANCELLATION = "races-its-cancellation"
    LOSES_ITS_JOB = "loses-its-job"
    """Somebody deletes its Job."""
    LOSES_ITS_POD = "loses-its-pod"
    """Somebody kills the processes of its first try."""
    IS_CANCELLED_WITH_CHILDREN = "is-cancelled-with-children"
    LEAVES_ORPHANS = "leaves-orphans"
    """Is cancelled, and the runs that it started go on."""
    IS_BAD = "is-bad"
    """Its request is refused."""


class Sending(StrEnum):
    """How a request is sent."""

    KEYED = "keyed"
    """With an idempotency key, until it is answered."""
    AT_ONCE = "at-once"
    """With an idempotency key, three times at once."""
    BARE = "bare"
    """Without a key, once: who gets no answer does not know."""
    LEAVING = "leaving"
    """Without a key, by a client that goes away before the answer."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a client wants."""

    number: int
    at: float
    """In seconds from the beginning."""
    kind: Kind
    sending: Sending
    pause: float
    """How long its algorithm computes, in seconds."""
    delay: float
    """Between its start and what its client does about it, in seconds."""
    twice: bool
    """Whether its algorithm reports its result twice."""

    @property
    def label(self) -> str:
        """What it is known by: the tag of its run, and its idempotency key."""
        return f"order-{self.number}"


# Of a hundred orders. Those that take long, or a lot of memory, are few.
_WEIGHTS = {
    Kind.COMPLETES: 30,
    Kind.UPLOADS: 12,
    Kind.REPORTS_ERROR: 7,
    Kind.ENDS_FATALLY: 6,
    Kind.RECOVERS: 4,
    Kind.RUNS_OUT_OF_RETRIES: 3,
    Kind.TAKES_MEMORY: 1,
    Kind.OVERSTAYS: 2,
    Kind.DOES_NOT_START: 4,
    Kind.SAYS_NOTHING: 3,
    Kind.IS_DRY: 4,
    Kind.IS_CANCELLED: 5,
    Kind.IS_CANCELLED_EARLY: 5,
    Kind.RACES_ITS_CANCELLATION: 5,
    Kind.LOSES_ITS_JOB: 2,
    Kind.LOSES_ITS_POD: 2,
    Kind.IS_CANCELLED_WITH_CHILDREN: 1,
    Kind.LEAVES_ORPHANS: 1,
    Kind.IS_BAD: 3,
}

_SENDINGS = {Sending.KEYED: 80, Sending.AT_ONCE: 10, Sending.BARE: 6, Sending.LEAVING: 4}

# What is done about these is done about the run that was answered with.
_NEED_AN_ANSWER = frozenset(
    {
        Kind.IS_CANCELLED,
        Kind.IS_CANCELLED_EARLY,
        Kind.LOSES_ITS_JOB,
        Kind.LOSES_ITS_POD,
        Kind.IS_CANCELLED_WITH_CHILDREN,
        Kind.LEAVES_ORPHANS,
        Kind.IS_BAD,
    }
)


def make_orders(
    seed: int, seconds: float, rate: float, kinds: frozenset[Kind] = frozenset(Kind)
) -> tuple[Order, ...]:
    """Return what clients want in so many seconds, at a mean rate a second; those kinds alone."""
    dice = random.Random(f"orders {seed}")  # noqa: S311 - no secret
    known = [kind for kind in _WEIGHTS if kind in kinds]
    weights = [_WEIGHTS[kind] for kind in known]
    orders: list[Order] = []
    at = 0.0
    while (at := at + dice.expovariate(rate)) < seconds:
        (kind,) = dice.choices(known, weights)
        (sending,) = dice.choices(list(_SENDINGS), list(_SENDINGS.values()))
        orders.append(
            Order(
                number=len(orders),
                at=round(at, 3),
                kind=kind,
                sending=Sending.KEYED if kind in _NEED_AN_ANSWER else sending,
                pause=round(dice.uniform(0, 0.6), 2),
                delay=round(dice.uniform(0, 1.0), 2),
                twice=dice.random() < 0.1,
            )
        )
    return tuple(orders)
