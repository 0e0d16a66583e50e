"""Metrics that every HTTP service has."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Histogram

# From a cached answer to the longest long poll.
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class HttpMetrics:
    """Times requests by endpoint (never by path, which holds ids) and status, and so counts them.

    One metric and not two: each of them costs every request.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "nexus_http_request_duration_seconds",
            "Time from a request's head to its answer",
            ("method", "endpoint", "status"),
            buckets=_BUCKETS,
            registry=registry,
        )

    def observer(self, method: str, endpoint: str) -> Callable[[int, float], None]:
        """Return what records one request to an endpoint: status, then seconds.

        Looking labels up costs more than counting, so each endpoint keeps its own.
        """
        by_status: dict[int, Histogram] = {}

        def observe(status: int, took: float) -> None:
            seconds = by_status.get(status)
            if seconds is None:
                seconds = self._seconds.labels(method, endpoint, str(status))
                by_status[status] = seconds
            seconds.observe(took)

        return observe
