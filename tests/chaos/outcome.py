"""What a client wants of a run, and what it was told about it."""

from dataclasses import dataclass, field

from chaos.history import Ending
from chaos.orders import Kind, Order
from nexus_core.domain.names import RunKey

ACTS = {
    Kind.COMPLETES: "complete",
    Kind.UPLOADS: "upload",
    Kind.REPORTS_ERROR: "report-error",
    Kind.ENDS_FATALLY: "end-fatally",
    Kind.RECOVERS: "fail-first",
    Kind.RUNS_OUT_OF_RETRIES: "fail",
    Kind.TAKES_MEMORY: "take-memory",
    Kind.OVERSTAYS: "linger",
    Kind.DOES_NOT_START: "complete",
    Kind.SAYS_NOTHING: "say-nothing",
    Kind.IS_DRY: "complete",
    Kind.IS_CANCELLED: "linger",
    Kind.IS_CANCELLED_EARLY: "linger",
    Kind.RACES_ITS_CANCELLATION: "complete",
    Kind.LOSES_ITS_JOB: "linger",
    Kind.LOSES_ITS_POD: "linger-once",
    Kind.IS_CANCELLED_WITH_CHILDREN: "linger",
    Kind.LEAVES_ORPHANS: "linger",
    Kind.IS_BAD: "complete",
}
"""What the algorithm of a run does, as its payload says."""


_ODD_CONFIGURATION = b',"customConfiguration":{"runtimeEnvironment":{"deadlineSeconds":"soon"}}}'
_UNKNOWN_PARENT = (
    b',"parentRequest":{"algorithmName":"completes",'
    b'"requestId":"01a214ba-9848-74ea-a37b-6260a5c9379e"}}'
)


def bad_body(sound: bytes, number: int) -> bytes:
    """Return a body that no scheduler may take, made of one that it would; bad in many ways."""
    ways = (
        sound[:-1],
        sound.replace(b'"algorithmParameters"', b'"algorithmParametres"'),
        sound[:-1] + _ODD_CONFIGURATION,
        sound[:-1] + _UNKNOWN_PARENT,
    )
    return ways[number % len(ways)]


@dataclass(kw_only=True)
class Outcome:
    """What a client was told about one order."""

    order: Order
    label: str
    """The tag of its run; and its idempotency key, if it has one."""
    keyed: bool
    answers: list[str] = field(default_factory=list)
    """The ids that it was answered with."""
    refusal: int = 0
    """The status by which it was refused for good."""
    cancelled: bool = False
    """It was told that its run is cancelled."""
    came_too_late: bool = False
    """It was told that its run had finished otherwise."""
    parent: "Outcome | None" = None
    told: list[Ending] = field(default_factory=list)
    """The finished stages that it was told."""
    results: list[str] = field(default_factory=list)
    """What its result said, as it was fetched."""
    act: str = ""

    @property
    def algorithm(self) -> str:
        return self.order.kind.value

    @property
    def run(self) -> RunKey | None:
        """The run that it was answered with."""
        return RunKey(self.algorithm, self.answers[0]) if self.answers else None
