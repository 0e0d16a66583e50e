"""The command lines of the control plane. Each value that is no default has its reason here."""

from pathlib import Path
from typing import NamedTuple

from tools.testbed.certificates import Certificate
from tools.testbed.kubernetes.binaries import Binaries
from tools.testbed.ports import LOOPBACK

API_CALLS_PER_SECOND = 1000
"""Of controllers and scheduler each; by default 20 and 50, far below what the server can take."""

API_CALLS_AT_ONCE = 2000

JOB_WORKERS = 20
"""Jobs that are reconciled at once; 5 by default."""

CONTROLLERS = (
    "garbage-collector-controller",
    "job-controller",
    "namespace-controller",
    "persistentvolume-binder-controller",
    "pod-garbage-collector-controller",
    "resourcequota-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "ttl-after-finished-controller",
)
"""Those that runs meet. The others would only cost time."""

SERVICE_NETWORK = "198.18.0.0/24"
POD_NETWORK = "198.19.0.0/16"
"""Addresses for tests of networks, which lead nowhere."""


KWOK_LABEL = "type"
KWOK_NODE = "kwok"
"""The label of the nodes that KWOK keeps; real ones have none of it."""


class Secrets(NamedTuple):
    """The files by which a control plane knows itself and its clients."""

    ca: Path
    serving: Certificate
    """Of etcd and the API server, for which the latter is also a client of etcd and kubelets."""
    tokens: Certificate
    """Its key signs the tokens of service accounts."""


class Ports(NamedTuple):
    """The ports of a control plane, on loopback."""

    etcd: int
    etcd_peer: int
    apiserver: int


def etcd(
    binaries: Binaries, data: Path, ports: Ports, secrets: Secrets, *, durable: bool
) -> list[str]:
    """Return the command line of etcd.

    Not `durable`, it never waits for the disk: what it acknowledged survives its own death, but
    not that of the machine.
    """
    client, peer = f"https://{LOOPBACK}:{ports.etcd}", f"https://{LOOPBACK}:{ports.etcd_peer}"
    return [
        binaries.etcd,
        "--name=testbed",
        f"--data-dir={data}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=testbed={peer}",
        f"--cert-file={secrets.serving.certificate}",
        f"--key-file={secrets.serving.key}",
        f"--trusted-ca-file={secrets.ca}",
        "--client-cert-auth",
        f"--peer-cert-file={secrets.serving.certificate}",
        f"--peer-key-file={secrets.serving.key}",
        f"--peer-trusted-ca-file={secrets.ca}",
        "--peer-client-cert-auth",
        # Two gibibytes, the default, would stop a long benchmark.
        f"--quota-backend-bytes={8 << 30}",
        "--log-level=warn",
        *([] if durable else ["--unsafe-no-fsync"]),
    ]


def apiserver(binaries: Binaries, folder: Path, ports: Ports, secrets: Secrets) -> list[str]:
    """Return the command line of the API server: TLS, RBAC, admission as by default, no audit."""
    return [
        binaries.apiserver,
        f"--etcd-servers=https://{LOOPBACK}:{ports.etcd}",
        f"--etcd-cafile={secrets.ca}",
        f"--etcd-certfile={secrets.serving.certificate}",
        f"--etcd-keyfile={secrets.serving.key}",
        f"--bind-address={LOOPBACK}",
        f"--secure-port={ports.apiserver}",
        f"--tls-cert-file={secrets.serving.certificate}",
        f"--tls-private-key-file={secrets.serving.key}",
        f"--cert-dir={folder}",
        f"--client-ca-file={secrets.ca}",
        "--authorization-mode=RBAC",
        f"--service-account-issuer=https://{LOOPBACK}:{ports.apiserver}",
        f"--service-account-key-file={secrets.tokens.certificate}",
        f"--service-account-signing-key-file={secrets.tokens.key}",
        f"--service-cluster-ip-range={SERVICE_NETWORK}",
        # No pod can reach the service `kubernetes`, and loopback may not be published as one.
        "--endpoint-reconciler-type=none",
        # How it asks kubelets for logs. Nobody resolves the names of nodes.
        "--kubelet-preferred-address-types=InternalIP",
        f"--kubelet-client-certificate={secrets.serving.certificate}",
        f"--kubelet-client-key={secrets.serving.key}",
        "--profiling=false",
    ]


def controller_manager(binaries: Binaries, kubeconfig: Path, secrets: Secrets) -> list[str]:
    """Return the command line of the controllers."""
    return [
        binaries.controller_manager,
        f"--kubeconfig={kubeconfig}",
        f"--controllers={','.join(CONTROLLERS)}",
        f"--kube-api-qps={API_CALLS_PER_SECOND}",
        f"--kube-api-burst={API_CALLS_AT_ONCE}",
        f"--concurrent-job-syncs={JOB_WORKERS}",
        f"--root-ca-file={secrets.ca}",
        f"--service-account-private-key-file={secrets.tokens.key}",
        # There is no other one to elect, and nobody who asks it for its health.
        "--leader-elect=false",
        "--secure-port=0",
        "--profiling=false",
    ]


def scheduler(binaries: Binaries, configuration: Path) -> list[str]:
    """Return the command line of the scheduler; the rest of its settings is a file."""
    return [binaries.scheduler, f"--config={configuration}", "--secure-port=0"]


def scheduler_configuration(kubeconfig: Path) -> dict[str, object]:
    """Return the scheduler's settings, which it no longer takes as flags."""
    return {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "clientConnection": {
            "kubeconfig": str(kubeconfig),
            "qps": API_CALLS_PER_SECOND,
            "burst": API_CALLS_AT_ONCE,
        },
        "leaderElection": {"leaderElect": False},
        "enableProfiling": False,
    }


def kwok(binaries: Binaries, kubeconfig: Path, configuration: Path, port: int) -> list[str]:
    """Return the command line of KWOK; stages, logs and parallelism are in its configuration.

    On the port it answers for the kubelets of all its nodes.
    """
    return [
        binaries.kwok,
        f"--kubeconfig={kubeconfig}",
        f"--config={configuration}",
        f"--manage-nodes-with-label-selector={KWOK_LABEL}={KWOK_NODE}",
        f"--cidr={POD_NETWORK}",
        f"--node-ip={LOOPBACK}",
        f"--node-port={port}",
        f"--server-address={LOOPBACK}:{port}",
        # No leases: no controller here watches the heartbeats of nodes.
        "--node-lease-duration-seconds=0",
    ]


def kwok_configuration() -> dict[str, object]:
    """Return KWOK's settings. Four pods at once, as by default, would slow the cluster down."""
    return {
        "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
        "kind": "KwokConfiguration",
        "metadata": {"name": "testbed"},
        "options": {
            "podPlayStageParallelism": 16,
            # Defaults, which are none once a configuration is given.
            "nodePlayStageParallelism": 4,
            "nodeLeaseParallelism": 4,
            "podsOnNodeSyncParallelism": 1,
            # Logs are among what these serve.
            "enableDebuggingHandlers": True,
        },
    }
