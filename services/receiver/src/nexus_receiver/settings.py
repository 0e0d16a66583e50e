"""Settings of the receiver."""

from msgspec import field

from nexus_core.settings.sections import Listen, ServiceSettings


class ReceiverSettings(ServiceSettings, frozen=True):
    """All settings of a receiver."""

    listen: Listen = field(default_factory=lambda: Listen(port=8081))
