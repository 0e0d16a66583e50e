"""Settings of the payload store, and of the queue, which Go deployments configure beside it."""

from typing import Annotated

from msgspec import Meta, field

from nexus_core.settings.loader import Section
from nexus_core.settings.values import Duration, Positive, Secret


class BufferConfig(Section, frozen=True):
    """How fast queued runs go to a cluster."""

    failure_rate_base_delay: Duration = Duration(0.1)
    """First pause after a cluster refused; doubles with each further refusal."""
    failure_rate_max_delay: Duration = Duration(1)
    """Longest such pause."""
    rate_limit_elements_per_second: Annotated[float, Meta(gt=0)] = 10
    """Jobs a second and cluster."""
    rate_limit_elements_burst: Positive = 100
    """Jobs at once after a quiet time."""
    workers: Positive = 10
    """Jobs being created at the same time, a cluster."""
    payload_valid_for: Duration = Duration(24 * 3600)
    """How long payload URLs are valid where neither request nor template says."""
    queue_limit: Positive = 10_000
    """Runs that wait in one scheduler; further ones are answered 429. About 4 KiB each."""


class S3Buffer(Section, frozen=True):
    """Where payloads and results are kept, and the queue in front of the clusters."""

    payload_storage_path: str = ""
    """A folder; empty: `payloads` in the data folder. `s3a://…` is refused by this release."""
    access_key_id: str = ""
    """Taken, and not used by this release, which has no adapter for S3."""
    secret_access_key: Secret = Secret("")
    """Likewise."""
    region: str = ""
    """Likewise."""
    endpoint: str = ""
    """Likewise."""
    buffer_config: BufferConfig = field(default_factory=BufferConfig)
