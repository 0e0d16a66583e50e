"""Settings of the supervisor."""

from datetime import timedelta

from msgspec import field

from nexus_core.domain import verdicts
from nexus_core.domain.retirement import RetentionTimes
from nexus_core.domain.sweep import Thresholds
from nexus_core.settings.loader import Section, SettingsError, variable_of
from nexus_core.settings.sections import Listen, ServiceSettings
from nexus_core.settings.values import Duration, Interval, Positive


class Sweep(Section, frozen=True):
    """How often the supervisor looks for runs that something went wrong with, and how patiently."""

    interval: Interval = Interval(10)
    """Between the end of one sweep and the beginning of the next, at least `100ms`."""
    late_after: Duration = Duration(60)
    """After it was received, a run still `BUFFERED` is submitted ahead of the queue."""
    new_expires_after: Duration = Duration(600)
    """After it was received, a run still `NEW` is given up."""
    job_missing_grace: Duration = Duration(60)
    """After it last changed, a `RUNNING` run without a Job is given up."""
    completion_grace: Duration = Duration(60)
    """After its Job succeeded, a run that reported no result is given up."""
    mass_loss_grace: Duration = Duration(300)
    """After ten or more `RUNNING` runs, and most of them, were first found without a Job, they are
    given up: a wrong namespace or kubeconfig, or a cluster that was set up anew, lists none."""
    straggler_grace: Duration = Duration(60)
    """After its run finished, a Job that is still active is deleted."""
    job_kept_for: Duration = Duration(30)
    """After a Job was made, it is not deleted though its run has failed.

    Its name stays taken for whoever is about to make it a second time; longer than a request is on
    its way. What has ended by then goes by its own time to live, the rest after `straggler_grace`.
    """
    parallel: Positive = 8
    """Runs that are submitted or settled at the same time."""


class Patience(Section, frozen=True):
    """How long a Job may be in a state in which it does not go on by itself."""

    image: Duration = Duration(45)
    """After an image could not be pulled for the first time, its run is given up.

    Kubelets try again after 10 s, and then after twice as long each time: so this is three tries.
    """
    container: Duration = Duration(30)
    """After a container could not be made for the first time, its run is given up.

    A secret or a config map that it needs may come a moment later.
    """
    unschedulable: Duration = Duration(1800)
    """After no node could take a pod for the first time, its run is given up.

    Long enough for a cluster to grow, and for other pods to end.
    """
    preparation: Duration = Duration(300)
    """After a node took a pod whose volumes or network are still missing, its run is given up."""
    pod_creation: Duration = Duration(600)
    """After a cluster began with a Job that has no pod, its run is given up.

    As a rule a quota is exhausted, until other pods end. What an admission rule refuses is given up
    after `container` already.
    """


class Retention(Section, frozen=True):
    """For how long what is kept of runs is kept after they have ended. `0s`: it is not removed."""

    buffered_jobs: Duration = Duration(24 * 3600)
    """Jobs as they were made, which `GET …/buffer` shows. Nothing needs them after the end."""
    payloads: Duration = Duration(7 * 24 * 3600)
    """Payloads; also those that no run was recorded for, where a folder keeps them."""
    results: Duration = Duration(30 * 24 * 3600)
    """Results that were uploaded. What lies elsewhere and is only named, stays."""
    records: Duration = Duration(30 * 24 * 3600)
    """Checkpoints, with all that leads to runs and tells of them. At least a day, for which
    idempotency keys lead there, and at least as long as all of the above. A store that drops its
    rows by itself no later than this, is left to do so."""
    interval: Interval = Interval(60)
    """Between two rounds of removal, at least `100ms`."""
    pass_time: Duration = Duration(10)
    """For one round, about; with more to do, the next one comes sooner."""
    portion: Positive = 200
    """Runs that are looked up and removed at a time."""
    parallel: Positive = 8
    """Objects that are removed at the same time."""

    def times(self) -> RetentionTimes:
        """Return the times, in the domain's terms.

        Raises:
            SettingsError: records would go before what they lead to.
        """
        times = RetentionTimes(
            buffered_jobs=_time(self.buffered_jobs),
            payloads=_time(self.payloads),
            results=_time(self.results),
            records=_time(self.records),
        )
        if times.records is not None and times.records < _SHORTEST_RECORD:
            raise _bad_records("must be 24h or more, for which idempotency keys lead to their runs")
        if longer := times.outlives_its_record():
            raise _bad_records(
                f"must be no less than retention.{longer}, which nobody would find without them"
            )
        return times


_SHORTEST_RECORD = timedelta(days=1)


def _time(setting: Duration) -> timedelta | None:
    return timedelta(seconds=setting) if setting > 0 else None


def _bad_records(problem: str) -> SettingsError:
    path = ("retention", "records")
    return SettingsError(f"{'.'.join(path)} ({variable_of(path)}): {problem}; 0s keeps them")


class LeadershipSection(Section, frozen=True):
    """Which of the supervisors of a cluster follows its feed and sweeps."""

    lease_duration: Interval = Interval(15)
    """How long a supervisor leads without renewing its lease, which it does three times as often;
    at least `100ms`.

    As long after its death another takes over; after an orderly stop, a third of it at most. Far
    longer than the store's worst answer, and its clocks' differences: two that lead at once do no
    harm, but do all twice.
    """


class SupervisorSettings(ServiceSettings, frozen=True):
    """All settings of a supervisor."""

    listen: Listen = field(default_factory=lambda: Listen(port=8082))
    sweep: Sweep = field(default_factory=Sweep)
    retention: Retention = field(default_factory=Retention)
    patience: Patience = field(default_factory=Patience)
    leadership: LeadershipSection = field(default_factory=LeadershipSection)

    def thresholds(self) -> Thresholds:
        """Return what decides, in the domain's terms."""
        sweep, patience = self.sweep, self.patience
        return Thresholds(
            late_after=timedelta(seconds=sweep.late_after),
            new_expires_after=timedelta(seconds=sweep.new_expires_after),
            job_missing_grace=timedelta(seconds=sweep.job_missing_grace),
            mass_loss_grace=timedelta(seconds=sweep.mass_loss_grace),
            straggler_grace=timedelta(seconds=sweep.straggler_grace),
            patience=verdicts.Patience(
                image=timedelta(seconds=patience.image),
                container=timedelta(seconds=patience.container),
                unschedulable=timedelta(seconds=patience.unschedulable),
                preparation=timedelta(seconds=patience.preparation),
                pod_creation=timedelta(seconds=patience.pod_creation),
                completion=timedelta(seconds=sweep.completion_grace),
                deletion=timedelta(seconds=sweep.job_missing_grace),
                name=timedelta(seconds=sweep.job_kept_for),
            ),
        )
