"""Settings of the clusters, a section each kind, and of what guards them."""

from nexus_core.aio.circuit import CircuitPace
from nexus_core.settings.loader import Section
from nexus_core.settings.values import Duration, Positive, Text


class ProcessClusterSection(Section, frozen=True):
    """The cluster whose Jobs are processes of this machine."""

    name: Text = "standalone"
    """What workgroups call it."""
    path: str = ""
    """Where its Jobs' records and logs are; empty: `cluster` in the data folder."""
    working_directory: str = "."
    """Where commands start."""
    max_pods: Positive = 16
    """Processes at the same time; further Jobs wait."""


class KubernetesSection(Section, frozen=True):
    """Clusters of Kubernetes, those that run Jobs and the one that holds the templates."""

    cluster_name: str = ""
    """What workgroups call the cluster of `kube-config-path`, or the one that this process runs in.

    Needed where `shard-kube-config-path` names no folder, since then no file's name says it.
    """
    context: str = ""
    """Context of `kube-config-path`; empty: the file's current one."""
    service_account_path: str = "/var/run/secrets/kubernetes.io/serviceaccount"
    """Folder of the files `token` and `ca.crt` of a pod's service account, for the cluster that
    this process runs in. Another one where the token is a projected volume of one's own."""
    request_timeout: Duration = Duration(15)
    """For one request to an API server, admission by its webhooks included."""
    follow_timeout: Duration = Duration(240)
    """How long a watch goes on before it is begun anew; up to a quarter longer, at random."""
    relist_after: Duration = Duration(600)
    """How often all that is followed is listed again, though nothing seems amiss."""


class CircuitSection(Section, frozen=True):
    """When a cluster or a store is no longer called, and when it is called again.

    One circuit for each of them and process; its state is told at `/readyz` and in the metrics.
    """

    failures: Positive = 3
    """So many failures in a row open a circuit: no answer, a broken one, or a server error. A
    refusal is an answer."""
    first_pause: Duration = Duration(1)
    """Until the part is asked again; doubles with each further failure, and is shortened by up to
    half at random."""
    longest_pause: Duration = Duration(10)
    """Longest such pause: nobody notices earlier that the part is back."""
    heartbeat: Duration = Duration(5)
    """The part is asked when nothing was heard from it for so long."""

    def pace(self) -> CircuitPace:
        """Return what decides."""
        return CircuitPace(
            failures=self.failures,
            first_pause=self.first_pause,
            longest_pause=self.longest_pause,
            heartbeat=self.heartbeat,
        )
