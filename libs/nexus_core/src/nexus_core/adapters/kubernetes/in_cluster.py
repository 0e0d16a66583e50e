"""Credentials of the pod that this process runs in."""

from pathlib import Path

from nexus_core.adapters.kubernetes.access import Access, Tls
from nexus_core.domain.errors import InvalidInputError


class InCluster:
    """The service account of this pod. Its token is replaced about hourly, and so read again."""

    origin = "the cluster that this process runs in"

    def __init__(self, address: str, folder: Path) -> None:
        """Take how it is reached.

        Args:
            address: `host:port` of the API server, as each pod is told; empty outside of clusters.
            folder: where Kubernetes puts the token of the pod's service account, and the authority
                to trust.
        """
        self._address = address
        self._folder = folder

    async def load(self, *, anew: bool) -> Access:  # noqa: ARG002 - there is nothing to be kept
        """Read the files of the service account.

        Raises:
            InvalidInputError: this is no pod, or it has no service account; in one line.
        """
        if not self._address:
            raise InvalidInputError(
                f"{self.origin}: KUBERNETES_SERVICE_HOST is not set, so this is no pod"
            )
        token = self._read("token").strip()
        if not token:
            raise InvalidInputError(f"{self.origin}: {self._folder / 'token'} is empty")
        return Access(
            server=f"https://{self._address}",
            user="service account of this pod",
            tls=Tls(ca=self._read("ca.crt")),
            authorization=f"Bearer {token.decode('ascii', 'replace')}",
        )

    def _read(self, name: str) -> bytes:
        try:
            return (self._folder / name).read_bytes()
        except OSError as error:
            raise InvalidInputError(
                f"{self.origin}: {error.filename} can't be read: {error.strerror}"
            ) from error
