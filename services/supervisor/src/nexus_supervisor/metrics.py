"""All metrics of the supervisor."""

import math
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from nexus_core.aio.circuit import Circuit
from nexus_core.domain.retirement import Kept
from nexus_core.domain.stages import Stage


class FeedMetrics:
    """What clusters tell, and who listens."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._leads = Gauge(
            "nexus_supervisor_leads",
            "Whether this supervisor is the one that follows the cluster and sweeps: 1 or 0",
            ("cluster",),
            registry=registry,
        )
        self._observations = Counter(
            "nexus_supervisor_observations",
            "States of Jobs told by clusters",
            ("cluster", "kind", "reason"),
            registry=registry,
        )
        self._last_observation = Gauge(
            "nexus_supervisor_last_observation_timestamp_seconds",
            "When a cluster last told of anything, in Unix time",
            ("cluster",),
            registry=registry,
        )
        self._silence = Gauge(
            "nexus_supervisor_feed_silence_seconds",
            "Time since a cluster was heard, if only that nothing happens",
            ("cluster",),
            registry=registry,
        )

    def watch(
        self, cluster: str, *, leads: Callable[[], bool], silence: Callable[[], float | None]
    ) -> None:
        """Let the gauges of a cluster show whenever they are scraped how things stand then.

        Who does not lead does not listen, so that silence means nothing.
        """

        def seconds() -> float:
            since = silence() if leads() else None
            return math.nan if since is None else since

        self._leads.labels(cluster).set_function(leads)
        self._silence.labels(cluster).set_function(seconds)

    def observed(self, cluster: str, kind: str, reason: str, at: float) -> None:
        """Count a state that was told, by the word that says most of it; there are few of them."""
        self._observations.labels(cluster, kind, reason).inc()
        self._last_observation.labels(cluster).set(at)


class CircuitMetrics:
    """Which parts are known to be away."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._open = Gauge(
            "nexus_supervisor_circuit_open",
            "1 while a part is not called, since it is known to be away",
            ("part",),
            registry=registry,
        )

    def watch(self, circuit: Circuit) -> None:
        """Let the gauge of a part show its circuit whenever it is scraped."""
        self._open.labels(circuit.part).set_function(lambda: not circuit.is_closed)


class RunMetrics:
    """What sweeps find, and what is done about runs."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._missing = Gauge(
            "nexus_supervisor_missing_jobs",
            "Running runs whose Job the last sweep did not find",
            ("cluster",),
            registry=registry,
        )
        self._settled = Counter(
            "nexus_supervisor_settled_runs",
            "Runs that the supervisor brought to a finished stage",
            ("cluster", "stage"),
            registry=registry,
        )
        self._submitted = Counter(
            "nexus_supervisor_submitted_runs",
            "Late and abandoned runs that were submitted ahead of the queue",
            ("cluster",),
            registry=registry,
        )
        self._removed = Counter(
            "nexus_supervisor_removed_jobs",
            "Jobs deleted because their run had finished without them",
            ("cluster",),
            registry=registry,
        )
        self._sweep = Histogram(
            "nexus_supervisor_sweep_duration_seconds",
            "Time of a sweep",
            ("cluster",),
            registry=registry,
        )
        self._last_sweep = Gauge(
            "nexus_supervisor_last_sweep_timestamp_seconds",
            "When a sweep last ended well, in Unix time",
            ("cluster",),
            registry=registry,
        )

    def missing(self, cluster: str, runs: int) -> None:
        """Record how many runs are without their Job."""
        self._missing.labels(cluster).set(runs)

    def settled(self, cluster: str, stage: Stage) -> None:
        """Count a run that was finished."""
        self._settled.labels(cluster, stage).inc()

    def submitted(self, cluster: str) -> None:
        """Count a run that was submitted."""
        self._submitted.labels(cluster).inc()

    def removed(self, cluster: str) -> None:
        """Count a Job that was deleted."""
        self._removed.labels(cluster).inc()

    def swept(self, cluster: str, seconds: float, at: float) -> None:
        """Record a sweep that ended well."""
        self._sweep.labels(cluster).observe(seconds)
        self._last_sweep.labels(cluster).set(at)


class StoryMetrics:
    """What is kept of runs for those who ask why."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._journal = Counter(
            "nexus_supervisor_journal_events",
            "Happenings that were to be kept for the stories of runs, by outcome",
            ("cluster", "outcome"),
            registry=registry,
        )
        self._kept_logs = Counter(
            "nexus_supervisor_kept_logs",
            "Failed runs whose log was to be kept, by what came of it: kept, none, lost",
            ("cluster", "outcome"),
            registry=registry,
        )

    def recorded(self, cluster: str, events: int) -> None:
        """Count events that were kept."""
        self._journal.labels(cluster, "recorded").inc(events)

    def dropped(self, cluster: str, events: int) -> None:
        """Count events that were given up."""
        self._journal.labels(cluster, "dropped").inc(events)

    def kept_log(self, cluster: str, outcome: str) -> None:
        """Count a failed run whose log was to be kept; `none`: there was no log any more."""
        self._kept_logs.labels(cluster, outcome).inc()


class RemovalMetrics:
    """What is removed because its time is over."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._removed_for_age = Counter(
            "nexus_supervisor_removed_for_age",
            "Runs of which something was removed because its time was over",
            ("kept",),
            registry=registry,
        )
        self._removed_orphans = Counter(
            "nexus_supervisor_removed_orphans",
            "Payloads and results removed that belonged to no run",
            registry=registry,
        )
        self._removal_lag = Gauge(
            "nexus_supervisor_removal_lag_seconds",
            "For how long what is removed next has been over its time",
            ("kept",),
            registry=registry,
        )
        self._removal = Histogram(
            "nexus_supervisor_removal_duration_seconds",
            "Time of a round of removal",
            registry=registry,
        )
        self._last_removal = Gauge(
            "nexus_supervisor_last_removal_timestamp_seconds",
            "When a round of removal last ended well, in Unix time",
            registry=registry,
        )

    def of_runs(self, kept: Kept, runs: int) -> None:
        """Count runs of which something was removed for its age."""
        self._removed_for_age.labels(kept).inc(runs)

    def orphans(self, pieces: int) -> None:
        """Count content that was removed because it belonged to no run."""
        self._removed_orphans.inc(pieces)

    def stands_at(self, kept: Kept, lag: float) -> None:
        """Record for how long what is removed next has been over its time."""
        self._removal_lag.labels(kept).set(max(lag, 0.0))

    def round_ended(self, seconds: float, at: float) -> None:
        """Record a round of removal that ended well."""
        self._removal.observe(seconds)
        self._last_removal.set(at)


class SupervisorMetrics:
    """All of them, by what they are about."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.feed = FeedMetrics(registry)
        self.circuits = CircuitMetrics(registry)
        self.runs = RunMetrics(registry)
        self.stories = StoryMetrics(registry)
        self.removal = RemovalMetrics(registry)
