"""The registry of a service: its own metrics, and those that every process has."""

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    Info,
    PlatformCollector,
    ProcessCollector,
)

from nexus_core import __version__


def make_registry() -> CollectorRegistry:
    """Return a registry that knows the process, its garbage collector, and the version of Nexus."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    Info("nexus_build", "The version of Nexus that runs", registry=registry).info(
        {"version": __version__}
    )
    return registry
