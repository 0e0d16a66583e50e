"""Settings of the payload store, and of the queue, which Go deployments configure beside it."""

from typing import Annotated, Literal

from msgspec import Meta, field

from nexus_core.settings.loader import Section
from nexus_core.settings.values import ByteSize, Duration, Positive, Secret


class BufferConfig(Section, frozen=True):
    """How fast queued runs go to a cluster."""

    failure_rate_base_delay: Duration = Duration(0.1)
    """First pause after a cluster refused; doubles with each further refusal."""
    failure_rate_max_delay: Duration = Duration(1)
    """Longest such pause."""
    rate_limit_elements_per_second: Annotated[float, Meta(gt=0)] = 10
    """Jobs a second and cluster, at most: fewer for a while after a cluster refused."""
    rate_limit_elements_burst: Positive = 100
    """Jobs at once after a quiet time."""
    workers: Positive = 10
    """Jobs being created at the same time, a cluster."""
    payload_valid_for: Duration = Duration(24 * 3600)
    """How long payload URLs are valid where neither request nor template says."""
    queue_limit: Positive = 10_000
    """Runs that wait in one scheduler; further ones are answered 429. About 4 KiB each."""


class RequestPayloadProxyConfiguration(Section, frozen=True):
    """Signed URLs of the scheduler, under the names of Go deployments.

    What is empty here is as the settings of our own say; what both say must be the same.
    """

    sign_secret: Secret = Secret("")
    """Empty: `signing.secret`."""
    tenant_id: str = ""
    """Empty: `signing.tenant-id`."""
    serve_path_template: str = ""
    """Empty, or `/data/v1/payloads/%s/requests/%s`: this Nexus serves payloads nowhere else."""
    external_name: str = ""
    """Host, with a port if need be, at which algorithms reach the scheduler, for URLs of payloads
    and results; empty: `scheduler-url`."""
    insecure: bool = False
    """Whether `external-name` is reached by `http`, not by `https`."""


class S3Buffer(Section, frozen=True):
    """Where payloads and results are kept, and the queue in front of the clusters."""

    payload_storage_path: str = ""
    """`s3a://<bucket>/<prefix>`, or a folder; empty: `payloads` in the data folder."""
    access_key_id: str = ""
    """Empty: from AWS's default chain (environment, files, web identity, the machine's role)."""
    secret_access_key: Secret = Secret("")
    """Of that access key."""
    session_token: Secret = Secret("")
    """Where that access key is temporary."""
    region: str = ""
    """Of the bucket; empty: as AWS's configuration says, else `us-east-1`."""
    endpoint: str = ""
    """URL of the server, such as `https://minio.example.org:9000`; empty: Amazon's."""
    addressing: Literal["auto", "path", "virtual"] = "auto"
    """Where URLs name the bucket: in the path, or in the host's name (`virtual`). `auto`: in the
    host's name at Amazon, in the path elsewhere, as Go deployments do."""
    payload_urls: Literal["auto", "presigned", "proxied"] = "auto"
    """Where URLs of payloads and results lead: to S3, presigned, or through the scheduler. `auto`:
    through the scheduler if `request-payload-proxy-configuration` has a secret, else to S3."""
    ca_file: str = ""
    """Certificates (PEM) that the server's must come from; empty: those commonly trusted. Read
    again when the server's is not trusted."""
    connections: Positive = 64
    """To the server, at most; as many as requests that are accepted at the same time."""
    connect_timeout: Duration = Duration(3)
    """For one try to connect."""
    timeout: Duration = Duration(30)
    """For one operation with all its tries, or for one part of a large body."""
    attempts: Positive = 3
    """Tries of an operation, the first included, when the server is busy or not to be reached."""
    part_size: ByteSize = ByteSize(8 * 1024**2)
    """A larger body goes in parts of this size, four of which are in memory at a time. From 5Mi;
    10,000 parts are the most."""
    buffer_config: BufferConfig = field(default_factory=BufferConfig)
    request_payload_proxy_configuration: RequestPayloadProxyConfiguration = field(
        default_factory=RequestPayloadProxyConfiguration
    )
