"""Settings that more than one service has, under the names that Go deployments set already."""

import socket
from pathlib import Path
from typing import Literal

from msgspec import field

from nexus_core.settings.checkpoints import (
    AstraCqlStore,
    CqlSection,
    EmbeddedStore,
    KeyspacesCqlStore,
    ScyllaCqlStore,
)
from nexus_core.settings.clusters import (
    CircuitSection,
    KubernetesSection,
    ProcessClusterSection,
)
from nexus_core.settings.loader import Section
from nexus_core.settings.payloads import S3Buffer
from nexus_core.settings.values import (
    ByteSize,
    Duration,
    Port,
    Positive,
    RowSize,
    Secret,
    Text,
    Url,
)
from nexus_core.telemetry.logging import LogFormat, LogLevel


class Listen(Section, frozen=True):
    """Where a service listens."""

    host: Text = "127.0.0.1"
    """Loopback unless told otherwise: whoever opens it to a network decides so.

    `0.0.0.0` is all addresses of IPv4; `::` those of IPv6, and where the system can, both.
    """
    port: Port = 0
    """0 lets the system choose a free one."""


class CatalogueSection(Section, frozen=True):
    """Where templates and workgroups come from."""

    source: Literal["auto", "folder", "kubernetes"] = "auto"
    """`folder`s of manifests, or the custom resources of `kubernetes` in `deploy-namespace`.

    `auto`: custom resources where `kube-config-path` is named or Jobs run in Kubernetes.
    """
    paths: tuple[str, ...] = ("examples",)
    """Folders of YAML manifests, read with all folders below them."""


class Signing(Section, frozen=True):
    """Signed URLs of the scheduler's own."""

    secret: Secret = Secret("")
    """At most 64 bytes, the same for all services; empty: made once, kept in the data folder."""
    tenant_id: str = "nexus"
    """Whom the URLs are for; one of another tenant opens nothing."""


class Callback(Section, frozen=True):
    """How receivers and supervisors tell schedulers of finished runs."""

    secret: Secret = Secret("")
    """Shared by all services; empty: made once, kept in the data folder."""
    attempts: Positive = 5
    """Tries before giving up; who waits then finds the result in the store a little later."""
    timeout: Duration = Duration(2)
    """For one try."""


class Logs(Section, frozen=True):
    """What runs print: what is kept of it, and who may read it."""

    kept_bytes: RowSize = RowSize(64 * 1024)
    """The end of a failed run's log that is kept with the run, at most `512Ki`; 0: none is kept."""
    keep_timeout: Duration = Duration(10)
    """To read that and to keep it. The verdict is recorded before; the Job's deletion waits."""
    readers: Positive = 100
    """Clients that one scheduler lets read or follow logs at the same time; others are told `429`.

    One that reads takes up to 3 MiB of memory, one that follows a connection to its cluster.
    """
    follow_limit: Duration = Duration(3600)
    """How long a client may follow a log before it has to ask again."""


class ServiceSettings(Section, frozen=True):
    """What every service has; each deployable adds its own."""

    log_level: LogLevel = LogLevel.INFO
    """The least severe lines that are written: `debug`, `info`, `warning` or `error`."""
    log_format: LogFormat = LogFormat.AUTO
    """`json`, `console`, or `auto`: `console` on a terminal, else `json`."""
    host_name: Text = field(default_factory=socket.gethostname)
    """What this instance calls itself in checkpoints (`received_by_host`) and leases; no two
    schedulers on one store may share it."""
    unready_grace: Duration = Duration(0)
    """How long a service still takes requests after a signal to stop, while `/readyz` says no.

    Behind a load balancer: a little longer than that takes to notice.
    """
    drain_timeout: Duration = Duration(10)
    """How long requests and launches under way may go on after a signal to stop."""
    api_tokens: tuple[Secret, ...] = ()
    """Bearer tokens that open the API; none: it is open, as behind an ingress that checks."""
    max_payload_size: ByteSize = ByteSize(500 * 1024**2)
    """Longest request body; a longer one is refused while it is read."""
    payload_memory: ByteSize = ByteSize(500 * 1024**2)
    """Most bytes of request bodies that one scheduler holds at the same time; what would be more is
    answered 429. A body that is alone may be larger, up to `max-payload-size`.

    While it is made durable, a body takes about twice its size of memory.
    """
    body_timeout: Duration = Duration(60)
    """How long a client may take to send a body."""
    data_path: Text = ".nexus"
    """Folder in which embedded parts keep everything; made when missing."""
    cql_store_type: Literal["embedded", "scylla", "astra", "keyspaces"] = "embedded"
    """Where checkpoints are kept: `embedded`, a SQLite file, in `scylla` (or Cassandra), `astra` or
    Amazon `keyspaces`."""
    s3_buffer: S3Buffer = field(default_factory=S3Buffer)
    scylla_cql_store: ScyllaCqlStore = field(default_factory=ScyllaCqlStore)
    astra_cql_store: AstraCqlStore = field(default_factory=AstraCqlStore)
    keyspaces_cql_store: KeyspacesCqlStore = field(default_factory=KeyspacesCqlStore)
    cql: CqlSection = field(default_factory=CqlSection)
    embedded_store: EmbeddedStore = field(default_factory=EmbeddedStore)
    cluster_type: Literal["auto", "process", "kubernetes"] = "auto"
    """Where Jobs run: as `process`es of this machine, or in `kubernetes`.

    `auto`: processes, as long as checkpoints are in the embedded store and no kubeconfig is named.
    """
    process_cluster: ProcessClusterSection = field(default_factory=ProcessClusterSection)
    kubernetes: KubernetesSection = field(default_factory=KubernetesSection)
    circuit: CircuitSection = field(default_factory=CircuitSection)
    catalogue: CatalogueSection = field(default_factory=CatalogueSection)
    signing: Signing = field(default_factory=Signing)
    callback: Callback = field(default_factory=Callback)
    logs: Logs = field(default_factory=Logs)
    scheduler_url: Url = "http://127.0.0.1:8080"
    """Where algorithms and clients reach the scheduler."""
    public_url: Url = ""
    """Where clients reach the scheduler that don't reach it at `scheduler-url`: URLs of payloads
    and results in answers to them lead there. Empty: they are those of algorithms."""
    receiver_url: Url = "http://127.0.0.1:8081"
    """Where algorithms reach the receiver."""
    runtime_namespace: Text = "nexus"
    """Kubernetes namespace in which Jobs run, in each cluster."""
    deploy_namespace: Text = "nexus"
    """Kubernetes namespace that holds templates and workgroups."""
    kube_config_path: str = ""
    """A kubeconfig file, of the cluster that holds templates and workgroups; empty: the one that
    this process runs in. Jobs run there too, unless `shard-kube-config-path` names others."""
    shard_kube_config_path: str = ""
    """A folder of kubeconfig files, `<cluster name>.kubeconfig`: the clusters in which Jobs run, by
    the names that workgroups give them."""

    @property
    def uses_kubernetes(self) -> bool:
        """Whether Jobs run in Kubernetes."""
        if self.cluster_type != "auto":
            return self.cluster_type == "kubernetes"
        named = self.kube_config_path or self.shard_kube_config_path
        return bool(named) or self.cql_store_type != "embedded"

    @property
    def reads_custom_resources(self) -> bool:
        """Whether templates and workgroups come from custom resources of Kubernetes."""
        if self.catalogue.source != "auto":
            return self.catalogue.source == "kubernetes"
        return bool(self.kube_config_path) or self.uses_kubernetes

    @property
    def store_file(self) -> Path:
        """The file of the embedded checkpoint store."""
        return self._kept_in(self.embedded_store.path, "checkpoints.sqlite")

    @property
    def payload_folder(self) -> Path:
        """The folder of the embedded payload store."""
        return self._kept_in(self.s3_buffer.payload_storage_path, "payloads")

    @property
    def cluster_folder(self) -> Path:
        """The folder of the process cluster."""
        return self._kept_in(self.process_cluster.path, "cluster")

    @property
    def working_directory(self) -> Path:
        """Where the commands of Jobs start."""
        return Path(self.process_cluster.working_directory).absolute()

    def _kept_in(self, path: str, name: str) -> Path:
        return Path(path or Path(self.data_path) / name).absolute()
