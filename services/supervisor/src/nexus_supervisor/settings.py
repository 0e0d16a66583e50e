"""Settings of the supervisor."""

from datetime import timedelta

from msgspec import field

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

    def thresholds(self) -> Thresholds:
        """Return what decides, in the domain's terms."""
        return Thresholds(
            late_after=timedelta(seconds=self.late_after),
            new_expires_after=timedelta(seconds=self.new_expires_after),
            job_missing_grace=timedelta(seconds=self.job_missing_grace),
            completion_grace=timedelta(seconds=self.completion_grace),
            straggler_grace=timedelta(seconds=self.straggler_grace),
        )


class SupervisorSettings(ServiceSettings, frozen=True):
    """All settings of a supervisor."""

    listen: Listen = field(default_factory=lambda: Listen(port=8082))
    sweep: Sweep = field(default_factory=Sweep)
