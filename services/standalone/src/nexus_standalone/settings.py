"""Settings of standalone: those of the three services in one."""

from typing import Any, TypeVar

import msgspec
from msgspec import field

from nexus_core.settings.loader import Section
from nexus_core.settings.payloads import BufferConfig, S3Buffer
from nexus_core.settings.sections import Listen, ServiceSettings
from nexus_core.settings.values import Url
from nexus_supervisor.settings import LeadershipSection, Patience, Retention, Sweep

S = TypeVar("S", bound=ServiceSettings)


class Listener(Section, frozen=True):
    """Where one of the three services listens."""

    listen: Listen


def _brisk() -> S3Buffer:
    """Return a queue for a machine that has no API server to spare, only itself."""
    return S3Buffer(
        buffer_config=BufferConfig(
            rate_limit_elements_per_second=200, rate_limit_elements_burst=200
        )
    )


class StandaloneSettings(ServiceSettings, frozen=True):
    """All settings of standalone."""

    s3_buffer: S3Buffer = field(default_factory=_brisk)
    scheduler_url: Url = ""
    """Where algorithms and clients reach the scheduler; empty: where it listens."""
    receiver_url: Url = ""
    """Where algorithms reach the receiver; empty: where it listens."""
    scheduler: Listener = field(default_factory=lambda: Listener(listen=Listen(port=8080)))
    receiver: Listener = field(default_factory=lambda: Listener(listen=Listen(port=8081)))
    supervisor: Listener = field(default_factory=lambda: Listener(listen=Listen(port=8082)))
    sweep: Sweep = field(default_factory=Sweep)
    patience: Patience = field(default_factory=Patience)
    retention: Retention = field(default_factory=Retention)
    leadership: LeadershipSection = field(default_factory=LeadershipSection)

    def of(self, kind: type[S], **own: object) -> S:
        """Return the settings of one of the services, given those that only it has."""
        names = (field.name for field in msgspec.structs.fields(ServiceSettings))
        values: dict[str, Any] = {name: getattr(self, name) for name in names}
        return kind(**{**values, **own})
