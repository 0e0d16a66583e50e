"""Metrics that every HTTP service has."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Histogram

# From a cached answer to the longest long poll.
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class HttpMetrics:
    """Counts and times requests by endpoint (never by path, which holds ids)."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "nexus_http_requests",
            "Requests answered, by endpoint and status",
            ("method", "endpoint", "status"),
            registry=registry,
        )
        self._seconds = Histogram(
            "nexus_http_request_duration_seconds",
            "Time from a request's head to its answer",
            ("method", "endpoint"),
            buckets=_BUCKETS,
            registry=registry,
        )

    def observer(self, method: str, endpoint: str) -> Callable[[int, float], None]:
        """Return what records one request to an endpoint: status, then seconds.

        Looking labels up costs more than counting, so each endpoint keeps its own.
        """
        seconds = self._seconds.labels(method, endpoint)
        by_status: dict[int, Counter] = {}

        def observe(status: int, took: float) -> None:
            counter = by_status.get(status)
            if counter is None:
                counter = by_status[status] = self._requests.labels(method, endpoint, str(status))
            counter.inc()
            seconds.observe(took)

        return observe
