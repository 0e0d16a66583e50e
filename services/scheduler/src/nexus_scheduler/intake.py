"""Whether runs can be made durable now; while a store is known to be away, nobody has to wait."""

from collections.abc import Sequence

from nexus_core.aio.circuit import Circuit, CircuitPace
from nexus_core.aio.tasks import BackgroundTasks
from nexus_scheduler.parts import SchedulerParts


class Intake:
    """The circuits of what an accepted run is written to.

    A store that hangs would hold each request, and its payload in memory, for the store's whole
    patience. Once it is known, requests are refused at once, before their bodies are read.
    """

    def __init__(self, parts: SchedulerParts, pace: CircuitPace) -> None:
        self.store = Circuit("checkpoint-store", parts.clock, pace)
        """Of checkpoints, and of the payloads that are buffered beside them."""
        self.payloads = Circuit("payload-store", parts.clock, pace)
        self._asked = ((self.store, parts.store.ping), (self.payloads, parts.payloads.ping))

    @property
    def circuits(self) -> Sequence[Circuit]:
        """All of them."""
        return (self.store, self.payloads)

    def start(self, tasks: BackgroundTasks) -> None:
        """Start asking whether the stores are there."""
        for circuit, ping in self._asked:
            tasks.start(f"ask {circuit.part}", circuit.keep_asking(ping))

    def check(self) -> None:
        """Return when runs can be made durable, as far as is known.

        Raises:
            CircuitOpenError: they can't; says why, and when to come again.
        """
        for circuit in self.circuits:
            circuit.check()
