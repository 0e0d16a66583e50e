"""Kubernetes as `up` sees it."""

from tools.testbed.builds import Say
from tools.testbed.certificates import Authority
from tools.testbed.description import KubernetesDescription
from tools.testbed.kubernetes import binaries, furniture
from tools.testbed.kubernetes.cluster import Cluster
from tools.testbed.places import Places


class KubernetesRoom:
    """A cluster in the testbed's folder."""

    async def install(self, places: Places, say: Say) -> None:
        """Build the programs, or find them in the cache."""
        await binaries.install(places.cache, say)

    async def start(self, places: Places, say: Say) -> KubernetesDescription:
        """Start a cluster and describe it."""
        programs = await binaries.install(places.cache, say)
        cluster = Cluster(places.server("kubernetes"), Authority(places.certificates))
        files = await cluster.start(places.cache, say)
        return KubernetesDescription(
            kubeconfig=str(files.administrator),
            endpoint=cluster.control_plane.endpoint.url,
            ca=str(cluster.control_plane.endpoint.ca),
            namespace=furniture.NAMESPACE,
            second_namespace=furniture.SECOND_NAMESPACE,
            deploy_namespace=furniture.DEPLOY_NAMESPACE,
            shards_folder=str(files.shards),
            nexus_kubeconfig=str(files.account),
            denied_kubeconfig=str(files.stranger),
            expired_kubeconfig=str(files.expired),
            kubectl=programs.kubectl,
            version=binaries.version(),
            pids=cluster.pids,
        )
