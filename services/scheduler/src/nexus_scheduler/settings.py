"""Settings of the scheduler."""

from msgspec import field

from nexus_core.settings.sections import Listen, ServiceSettings
from nexus_core.settings.values import Interval, Url


class SchedulerSettings(ServiceSettings, frozen=True):
    """All settings of a scheduler."""

    listen: Listen = field(default_factory=lambda: Listen(port=8080))
    callback_url: Url = ""
    """Where receivers reach this very instance; empty: where it listens."""
    lease_duration: Interval = Interval(30)
    """After this long without a sign of life, supervisors take over what this one queued; at least
    `100ms`."""
