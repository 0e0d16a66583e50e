"""All metrics of the scheduler."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from nexus_core.aio.circuit import Circuit

_WAIT_BUCKETS = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600)


class QueueMetrics:
    """What happens between accepting a run and its Job."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._queued = Gauge(
            "nexus_scheduler_queued_runs",
            "Runs that wait for their turn at a cluster",
            ("cluster",),
            registry=registry,
        )
        self._limit = Gauge(
            "nexus_scheduler_queue_limit",
            "Runs that may wait at most, for all clusters together",
            registry=registry,
        )
        self._oldest = Gauge(
            "nexus_scheduler_oldest_wait_seconds",
            "Time since the run was accepted whose turn is next at a cluster; 0 when none waits",
            ("cluster",),
            registry=registry,
        )
        self._rate = Gauge(
            "nexus_scheduler_launch_rate",
            "Jobs a second that a cluster is sent at most, which is less after it refused",
            ("cluster",),
            registry=registry,
        )
        self._launches = Counter(
            "nexus_scheduler_launches",
            "Attempts to start a Job, by outcome",
            ("cluster", "outcome"),
            registry=registry,
        )
        self._wait = Histogram(
            "nexus_scheduler_queue_wait_seconds",
            "Time from accepting a run to its Job's creation",
            ("cluster",),
            buckets=_WAIT_BUCKETS,
            registry=registry,
        )
        self._creation = Histogram(
            "nexus_scheduler_launch_duration_seconds",
            "Time to create a Job and record it",
            ("cluster",),
            registry=registry,
        )

    def watch_rate(self, cluster: str, rate: Callable[[], float]) -> None:
        """Let the gauge of a lane show its rate whenever it is scraped."""
        self._rate.labels(cluster).set_function(rate)

    def watch_depth(self, cluster: str, depth: Callable[[], float]) -> None:
        """Let the gauge of a lane show its length whenever it is scraped."""
        self._queued.labels(cluster).set_function(depth)

    def watch_oldest(self, cluster: str, waits: Callable[[], float]) -> None:
        """Let the gauge of a lane show how long its first run waits whenever it is scraped."""
        self._oldest.labels(cluster).set_function(waits)

    def bound_by(self, limit: int) -> None:
        """Record how many runs may wait at most."""
        self._limit.set(limit)

    def launched(self, cluster: str, outcome: str, waited: float | None = None) -> None:
        """Count an attempt; `waited` in seconds when it was the last one of its run."""
        self._launches.labels(cluster, outcome).inc()
        if waited is not None:
            self._wait.labels(cluster).observe(waited)

    @contextmanager
    def launching(self, cluster: str) -> Iterator[None]:
        """Time an attempt."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self._creation.labels(cluster).observe(time.perf_counter() - began)


class CircuitMetrics:
    """Which parts are known to be away."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._open = Gauge(
            "nexus_scheduler_circuit_open",
            "1 while a part is not called, since it is known to be away",
            ("part",),
            registry=registry,
        )

    def watch(self, circuit: Circuit) -> None:
        """Let the gauge of a part show its circuit whenever it is scraped."""
        self._open.labels(circuit.part).set_function(lambda: not circuit.is_closed)


class RunMetrics:
    """What becomes of requests."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._accepted = Counter(
            "nexus_scheduler_accepted_runs",
            "Runs that were answered 202 and are durable",
            ("algorithm",),
            registry=registry,
        )
        self._by_algorithm: dict[str, Counter] = {}
        self._catalogue_age = Gauge(
            "nexus_scheduler_catalogue_age_seconds",
            "Time since the source of templates last told anything, if only that nothing changed",
            registry=registry,
        )
        self._bodies = Gauge(
            "nexus_scheduler_held_body_bytes",
            "Bodies of requests for runs that are not yet accepted",
            registry=registry,
        )
        self._log_readers = Gauge(
            "nexus_scheduler_log_readers",
            "Clients that read or follow the log of a run",
            registry=registry,
        )
        self._waiting = Gauge(
            "nexus_scheduler_waiting_clients",
            "Clients that wait for a result in a long poll",
            registry=registry,
        )

    def watch_bodies(self, held: Callable[[], float]) -> None:
        """Let the gauge show how many bytes are held whenever it is scraped."""
        self._bodies.set_function(held)

    def watch_log_readers(self, readers: Callable[[], float]) -> None:
        """Let the gauge show how many read whenever it is scraped."""
        self._log_readers.set_function(readers)

    def watch_catalogue(self, age: Callable[[], float | None]) -> None:
        """Let the gauge show how long nothing was heard whenever it is scraped."""

        def seconds() -> float:
            known = age()
            return math.nan if known is None else known

        self._catalogue_age.set_function(seconds)

    def accepted(self, algorithm: str) -> None:
        """Count a run; the algorithm is one of the catalogue, so the label is bounded."""
        counter = self._by_algorithm.get(algorithm)
        if counter is None:
            counter = self._by_algorithm[algorithm] = self._accepted.labels(algorithm)
        counter.inc()

    def watch_waiting(self, waiting: Callable[[], float]) -> None:
        """Let the gauge show how many wait whenever it is scraped."""
        self._waiting.set_function(waiting)
