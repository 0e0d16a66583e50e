"""Connections to clusters of Kubernetes."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from nexus_core.adapters.kubernetes.connection import Connection
from nexus_core.adapters.kubernetes.credentials import Source
from nexus_core.adapters.kubernetes.in_cluster import InCluster
from nexus_core.adapters.kubernetes.kubeconfig import KubeconfigFile
from nexus_core.adapters.kubernetes.watch import Pace
from nexus_core.ports.clock import Clock
from nexus_core.settings.loader import api_server_address
from nexus_core.settings.sections import ServiceSettings

# Beside the workers of a queue or a sweep: cancellations, probes, lists of what is watched.
_BESIDE_WORKERS = 16


def open_connection(
    settings: ServiceSettings, source: Source, clock: Clock
) -> AbstractAsyncContextManager[Connection]:
    """Open connections to one API server, as many as the settings' workers may need.

    Raises:
        InvalidInputError: what is configured is not sound; one line that names file and thing.
    """
    return Connection.open(
        source,
        clock,
        connections=settings.s3_buffer.buffer_config.workers + _BESIDE_WORKERS,
        patience=settings.kubernetes.request_timeout,
    )


def own_cluster(settings: ServiceSettings) -> Source:
    """Return how the cluster is reached that holds templates, and Jobs where there are no others.

    That is the one of `kube-config-path`, else the one that this process runs in.
    """
    if settings.kube_config_path:
        path = Path(settings.kube_config_path).absolute()
        return KubeconfigFile(path, settings.kubernetes.context)
    folder = Path(settings.kubernetes.service_account_path).absolute()
    return InCluster(api_server_address(), folder)


def pace_of(settings: ServiceSettings) -> Pace:
    """Return how objects are followed."""
    section = settings.kubernetes
    return Pace(shortest_stream=section.follow_timeout, relist_after=section.relist_after)
