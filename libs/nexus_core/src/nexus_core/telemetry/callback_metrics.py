"""Metrics of those who call schedulers back."""

from prometheus_client import CollectorRegistry, Counter


class CallbackMetrics:
    """Whether schedulers hear what has finished."""

    def __init__(self, registry: CollectorRegistry) -> None:
        calls = Counter(
            "nexus_callback_calls",
            "Calls that told a scheduler of finished runs, by what came of them",
            ("outcome",),
            registry=registry,
        )
        self._heard = calls.labels("heard")
        self._failed = calls.labels("failed")
        self._given_up = calls.labels("given_up")

    def heard(self) -> None:
        """Count a call that was heard."""
        self._heard.inc()

    def failed(self, *, is_last: bool) -> None:
        """Count a call that was not; `is_last`: its runs are not told again."""
        (self._given_up if is_last else self._failed).inc()
