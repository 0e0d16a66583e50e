"""What the services export: the names under which series are scraped, with their labels."""

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import Collector

from nexus_core.telemetry.callback_metrics import CallbackMetrics
from nexus_core.telemetry.clock_metrics import ClockMetrics
from nexus_core.telemetry.http_metrics import HttpMetrics
from nexus_core.telemetry.part_metrics import PartMetrics
from nexus_core.telemetry.registry import make_registry
from nexus_receiver.metrics import CompletionMetrics
from nexus_scheduler.metrics import CircuitMetrics, QueueMetrics, RunMetrics
from nexus_supervisor.metrics import SupervisorMetrics

Labels = frozenset[str]

SCRAPED: Labels = frozenset({"job", "instance"})
"""What Prometheus itself gives each series that it scrapes."""

SERVICES = {
    "scheduler": (HttpMetrics, PartMetrics, ClockMetrics, QueueMetrics, CircuitMetrics, RunMetrics),
    "receiver": (HttpMetrics, PartMetrics, ClockMetrics, CallbackMetrics, CompletionMetrics),
    "supervisor": (PartMetrics, ClockMetrics, CallbackMetrics, SupervisorMetrics),
}
"""All that the services declare, where they run apart."""


def exported() -> Mapping[str, Labels]:
    """Return every series of every service with the labels that it has once it is scraped."""
    found: dict[str, Labels] = {}
    for declarations in SERVICES.values():
        registry = make_registry()
        for declare in declarations:
            declare(registry)
        for collector in _collectors(registry):
            for name, labels in _series(collector):
                found[name] = labels | SCRAPED
    return found


def _collectors(registry: CollectorRegistry) -> list[Collector]:
    return list(registry._collector_to_names)


def _series(collector: Collector) -> Iterator[tuple[str, Labels]]:
    """Go through the series of a collector, those included that nothing was counted of yet."""
    if not isinstance(collector, MetricWrapperBase) or not collector._labelnames:
        for family in collector.collect():
            for sample in family.samples:
                yield sample.name, frozenset(sample.labels)
        return
    labels = frozenset(collector._labelnames)
    match collector._type:
        case "counter":
            yield f"{collector._name}_total", labels
        case "histogram":
            yield f"{collector._name}_bucket", labels | {"le"}
            yield f"{collector._name}_count", labels
            yield f"{collector._name}_sum", labels
        case "gauge":
            yield collector._name, labels
        case kind:
            raise AssertionError(f"{collector._name} is a {kind}: say what series it has")
