"""Starting a real node beside those of KWOK."""

import asyncio
import os
import shutil
from pathlib import Path
from typing import NamedTuple

import yaml

from tools.testbed.builds import key_of
from tools.testbed.certificates import Authority, Certificate
from tools.testbed.errors import TestbedError
from tools.testbed.kubernetes import kubeconfig
from tools.testbed.kubernetes.api import Api
from tools.testbed.kubernetes.kubeconfig import Endpoint
from tools.testbed.kubernetes.node import configuration, rules
from tools.testbed.kubernetes.node.image import write_archive
from tools.testbed.kubernetes.node.machine import obstacle
from tools.testbed.kubernetes.node.packages import Packages
from tools.testbed.ports import free_ports
from tools.testbed.processes import Process, start, until_ready
from tools.testbed.tools import tool

_HERE = Path(__file__).parent
_NODES = "system:nodes"
_READY_SECONDS = 90.0
_PATH = f"/api/v1/nodes/{rules.NODE}"
_ADMISSION = "/apis/admissionregistration.k8s.io/v1"


class Parts(NamedTuple):
    """What a node is made of."""

    packages: Packages
    kubelet: Path
    base: Path
    """The layer on which the examples lie."""


class RealNode:
    """A node of one cluster."""

    def __init__(
        self, folder: Path, endpoint: Endpoint, authority: Authority, administrator: Certificate
    ) -> None:
        """Choose its name to the system; nothing runs yet.

        Args:
            folder: Where its data and logs go. Absolute.
            endpoint: The cluster.
            authority: Who issues its certificate.
            administrator: As whom the cluster is told of it.
        """
        self._folder = folder
        self._endpoint = endpoint
        self._authority = authority
        self._administrator = administrator
        # The next node of this folder clears away what one leaves that was killed.
        self._cgroup = f"nexus-testbed-{key_of(str(folder))[:8]}"

    @property
    def logs(self) -> Path:
        """A folder a pod, `<namespace>_<pod>_<uid>/<container>/0.log`."""
        return self._folder / "logs"

    async def start(self, parts: Parts, archive: Path | None = None) -> Process:
        """Start the node and wait until pods may be sent to it.

        Args:
            parts: What it is made of.
            archive: Images of others, which win over its own of the same name.

        Raises:
            TestbedError: This machine can't have one, or it died or did not become ready; names
                the log.
        """
        if why := obstacle():
            raise TestbedError(why)
        await asyncio.to_thread(self._write, parts, archive)
        async with Api(self._endpoint, self._administrator) as api:
            await api.create(
                "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", rules.rights()
            )
            await api.create(f"{_ADMISSION}/mutatingadmissionpolicies", rules.network_policy())
            await api.create(
                f"{_ADMISSION}/mutatingadmissionpolicybindings", rules.network_binding()
            )
            # One of an earlier node would still be called ready.
            await api.delete(_PATH)
            process = start("node", self._command(parts), self._folder, self._environment(parts))
            await until_ready(process, lambda: _ready(api), _READY_SECONDS)
            # The API server's own taint would stay: no controller here watches nodes.
            await api.patch(_PATH, {"spec": {"taints": [rules.taint()]}})
            await api.patch(f"{_PATH}/status", {"status": {"addresses": rules.addresses()}})
        return process

    def _write(self, parts: Parts, archive: Path | None) -> None:
        for name in ("network", "kernel", "logs"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        (self._folder / "network" / "10-loopback.conflist").write_text(configuration.LOOPBACK_ALONE)
        for name, value in configuration.KERNEL_FLAGS.items():
            flag = self._folder / "kernel" / name
            flag.parent.mkdir(parents=True, exist_ok=True)
            flag.write_text(f"{value}\n")
        settings = configuration.containerd(self._folder, parts.packages)
        (self._folder / "containerd.toml").write_text(settings)
        (port,) = free_ports(1)
        kubelet = configuration.kubelet(
            self._folder, self._endpoint.ca, port, self._cgroup, rules.taint()
        )
        (self._folder / "kubelet.yaml").write_text(yaml.safe_dump(kubelet))
        certificate = self._authority.issue(f"system:node:{rules.NODE}", organization=_NODES)
        login = kubeconfig.with_certificate(self._endpoint, certificate, cluster="testbed")
        kubeconfig.write(self._folder / "kubelet.kubeconfig", login)
        write_archive(self._folder / "images.tar", parts.base)
        if archive:
            shutil.copy(archive, self._folder / "images.tar.others")

    def _command(self, parts: Parts) -> list[str]:
        tool("setpriv", "util-linux")
        return [
            *("sh", str(_HERE / "keeper.sh"), self._cgroup),
            *("sh", str(_HERE / "inside.sh")),
            *(str(self._folder), str(parts.kubelet), self._cgroup),
            f"--config={self._folder}/kubelet.yaml",
            f"--kubeconfig={self._folder}/kubelet.kubeconfig",
            f"--hostname-override={rules.NODE}",
            # Leaves it to us to say where it is: by itself it would say an address of this machine,
            # on which nobody listens.
            "--cloud-provider=external",
            f"--node-labels={rules.LABEL}={rules.NODE}",
            f"--root-dir={self._folder}/kubelet",
            f"--cert-dir={self._folder}/kubelet-certificates",
        ]

    def _environment(self, parts: Parts) -> dict[str, str]:
        return {**os.environ, "PATH": f"{parts.packages.path}:{os.environ['PATH']}"}


async def _ready(api: Api) -> bool:
    node = await api.get(_PATH)
    conditions = node.get("status", {}).get("conditions", []) if node else []
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
