"""Metrics of clocks."""

from prometheus_client import CollectorRegistry, Gauge


class ClockMetrics:
    """How far the clocks of servers are from this machine's."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._offset = Gauge(
            "nexus_clock_offset_seconds",
            "By how much the clock of a part is ahead of this machine's, to about half a second",
            ("part",),
            registry=registry,
        )

    def found(self, part: str, seconds: float) -> None:
        """Record how far the clock of a part is ahead."""
        self._offset.labels(part).set(seconds)
