"""etcd and an API server: what a test starts for itself, to kill, freeze and bring back."""

import signal
from pathlib import Path

from tools.testbed.builds import Say
from tools.testbed.certificates import SERVER_NAMES, Authority, Certificate
from tools.testbed.kubernetes import flags, kubeconfig
from tools.testbed.kubernetes.api import DEFAULT_SECONDS, Api
from tools.testbed.kubernetes.binaries import Binaries, install
from tools.testbed.places import Places
from tools.testbed.ports import LOOPBACK, free_ports, until_free
from tools.testbed.processes import Process, start, stop_all, until_ready

ADMINISTRATORS = "system:masters"
"""The group that an API server lets do anything."""

OWN_NAME = "kubernetes"
"""What every API server is called in its own cluster; its certificate says so, too."""

_READY_SECONDS = 60.0
_STOP_SECONDS = 5.0


class ControlPlane:
    """A control plane on its own folder and ports, both of which it keeps for life.

    It has no controllers: a Job stays as it was created, and a namespace has no service accounts.
    Who starts it ends it: it outlives the process that started it.
    """

    def __init__(
        self, folder: Path, authority: Authority | None = None, *, durable: bool = False
    ) -> None:
        """Choose ports and issue certificates; nothing runs yet.

        Args:
            folder: Where data, logs and kubeconfigs go. Absolute.
            authority: Whose clients are let in; one in `folder` by default.
            durable: Whether etcd waits for the disk, as where one measures.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.authority = authority or Authority(folder / "certificates")
        self._durable = durable
        self._ports = flags.Ports(*free_ports(len(flags.Ports._fields)))
        self.endpoint = kubeconfig.Endpoint(
            f"https://{LOOPBACK}:{self._ports.apiserver}", self.authority.certificate
        )
        self.secrets = flags.Secrets(
            self.authority.certificate,
            self.authority.issue("kube-apiserver", identities=(*SERVER_NAMES, OWN_NAME)),
            self.authority.issue("service-accounts"),
        )
        self.administrator = self.authority.issue("administrator", organization=ADMINISTRATORS)
        self.kubeconfig = self.kubeconfig_of("administrator", self.administrator)
        self._running: list[Process] = []

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes, in the order in which they were started."""
        return tuple(process.pid for process in self._running)

    @property
    def apiserver(self) -> Process:
        """The API server alone; `start` must have been called."""
        return self._running[1]

    async def start(self, cache: Path | None = None, say: Say = print) -> Binaries:
        """Start both, on the data that is there, and wait until the API server is ready.

        Args:
            cache: Where the programs are, or are built; that of the environment by default.
            say: Told when they are built.

        Raises:
            TestbedError: One died or did not become ready; names the log.
        """
        binaries = await install(cache or Places.from_environment().cache, say)
        etcd = flags.etcd(
            binaries, self.folder / "etcd", self._ports, self.secrets, durable=self._durable
        )
        apiserver = flags.apiserver(binaries, self.folder, self._ports, self.secrets)
        await until_free(self._ports)
        self._running = [
            start("etcd", etcd, self.folder),
            start("kube-apiserver", apiserver, self.folder),
        ]
        async with self.api() as api:
            await until_ready(self.apiserver, api.ready, _READY_SECONDS)
        return binaries

    async def kill(self) -> None:
        """End both as a crash would. `start` brings them back."""
        for process in self._running:
            process.send(signal.SIGKILL)
        await stop_all(self._running, _STOP_SECONDS)

    async def stop(self) -> None:
        """End both, the API server first. Idempotent. `start` brings them back."""
        for process in reversed(self._running):
            await process.stop(_STOP_SECONDS)

    async def freeze(self) -> None:
        """Stop the API server in its tracks: connections are taken, nothing is answered."""
        await self.apiserver.freeze()

    def thaw(self) -> None:
        """Let a frozen API server go on."""
        self.apiserver.send(signal.SIGCONT)

    def api(self, seconds: float = DEFAULT_SECONDS) -> Api:
        """Return a client with an administrator's rights; an async context manager."""
        return Api(self.endpoint, self.administrator, seconds)

    def kubeconfig_of(self, name: str, certificate: Certificate) -> Path:
        """Write `<name>.kubeconfig` for whom a certificate names."""
        content = kubeconfig.with_certificate(self.endpoint, certificate, cluster="testbed")
        return kubeconfig.write(self.folder / f"{name}.kubeconfig", content)
