"""Metrics of the parts that a service stands on."""

from prometheus_client import CollectorRegistry, Gauge


class PartMetrics:
    """Whether each part can be used."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._ready = Gauge(
            "nexus_part_ready",
            "1 when a part can be used, else 0",
            ("part", "required"),
            registry=registry,
        )

    def found(self, part: str, *, ready: bool, required: bool) -> None:
        """Record how a part is; a service is not ready when one is not that it requires."""
        self._ready.labels(part, "true" if required else "false").set(ready)
