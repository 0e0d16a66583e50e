"""Settings of the supervisor."""

from datetime import timedelta

from msgspec import field

from nexus_core.domain import verdicts
from nexus_core.domain.sweep import Thresholds
from nexus_core.settings.loader import Section
from nexus_core.settings.sections import Listen, ServiceSettings
from nexus_core.settings.values import Duration, Positive


class Sweep(Section, frozen=True):
    """How often the supervisor looks for runs that something went wrong with, and how patiently."""

    interval: Duration = Duration(10)
    """Between the end of one sweep and the beginning of the next."""
    late_after: Duration = Duration(60)
    """After it was received, a run still `BUFFERED` is submitted ahead of the queue."""
    new_expires_after: Duration = Duration(600)
    """After it was received, a run still `NEW` is given up."""
    job_missing_grace: Duration = Duration(60)
    """After it last changed, a `RUNNING` run without a Job is given up."""
    completion_grace: Duration = Duration(60)
    """After its Job succeeded, a run that reported no result is given up."""
    straggler_grace: Duration = Duration(60)
    """After its run finished, a Job that is still active is deleted."""
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


class SupervisorSettings(ServiceSettings, frozen=True):
    """All settings of a supervisor."""

    listen: Listen = field(default_factory=lambda: Listen(port=8082))
    sweep: Sweep = field(default_factory=Sweep)
    patience: Patience = field(default_factory=Patience)

    def thresholds(self) -> Thresholds:
        """Return what decides, in the domain's terms."""
        sweep, patience = self.sweep, self.patience
        return Thresholds(
            late_after=timedelta(seconds=sweep.late_after),
            new_expires_after=timedelta(seconds=sweep.new_expires_after),
            job_missing_grace=timedelta(seconds=sweep.job_missing_grace),
            straggler_grace=timedelta(seconds=sweep.straggler_grace),
            patience=verdicts.Patience(
                image=timedelta(seconds=patience.image),
                container=timedelta(seconds=patience.container),
                unschedulable=timedelta(seconds=patience.unschedulable),
                preparation=timedelta(seconds=patience.preparation),
                pod_creation=timedelta(seconds=patience.pod_creation),
                completion=timedelta(seconds=sweep.completion_grace),
                deletion=timedelta(seconds=sweep.job_missing_grace),
            ),
        )
