"""All metrics of the receiver."""

from prometheus_client import CollectorRegistry, Counter


class CompletionMetrics:
    """What algorithms report."""

    def __init__(self, registry: CollectorRegistry) -> None:
        completions = Counter(
            "nexus_receiver_completions",
            "Completions taken; `late` ones found the run finished and changed nothing",
            ("effect",),
            registry=registry,
        )
        self._changed = completions.labels("changed")
        self._late = completions.labels("late")

    def completed(self, *, changed: bool) -> None:
        """Count a completion."""
        (self._changed if changed else self._late).inc()
