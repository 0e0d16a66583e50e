"""The settings of containerd and kubelet, with the reasons of those that are no defaults."""

import json
from pathlib import Path
from typing import Any

from tools.testbed.kubernetes.node.image import PAUSE_IMAGE
from tools.testbed.kubernetes.node.packages import Packages
from tools.testbed.ports import LOOPBACK

CONTAINERD = "/run/containerd/containerd.sock"
"""In the node's own `/run`: a path below the run folder may be too long for a socket."""

KERNEL_FLAGS = {
    "kernel/keys/root_maxbytes": "25000000",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
}
"""What a kubelet would set for the whole machine; files with these values take their place."""

_EVICTION_SIGNALS = (
    "memory.available",
    "nodefs.available",
    "nodefs.inodesFree",
    "imagefs.available",
    "imagefs.inodesFree",
)

LOOPBACK_ALONE = json.dumps(
    {"cniVersion": "1.0.0", "name": "loopback", "plugins": [{"type": "loopback"}]}
)
"""The network of pods. A runtime without any is never ready; pods use the machine's."""


def containerd(folder: Path, packages: Packages) -> str:
    """Return containerd's settings, as TOML."""
    return f"""\
version = 2
root = "{folder}/containerd"
state = "/run/containerd"

[grpc]
  address = "{CONTAINERD}"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  stream_server_address = "{LOOPBACK}"
  # Roots of virtual machines and containers may lack the right to make a process dearer.
  restrict_oom_score_adj = true
  disable_apparmor = true

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{packages.networks}"
  conf_dir = "{folder}/network"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  BinaryName = "{packages.runc}"
  SystemdCgroup = false
"""


def kubelet(
    folder: Path, ca: Path, port: int, cgroup: str, taint: dict[str, str]
) -> dict[str, Any]:
    """Return the kubelet's settings."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": LOOPBACK,
        "port": port,
        "readOnlyPort": 0,
        "healthzPort": 0,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": False},
            "x509": {"clientCAFile": str(ca)},
        },
        # Whoever has a certificate of this testbed.
        "authorization": {"mode": "AlwaysAllow"},
        "containerRuntimeEndpoint": f"unix://{CONTAINERD}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{cgroup}",
        "failCgroupV1": False,
        "failSwapOn": False,
        # The machine's own network is left as it is.
        "makeIPTablesUtilChains": False,
        "resolvConf": "",
        "podLogsDir": str(folder / "logs"),
        "registerWithTaints": [taint],
        "localStorageCapacityIsolation": False,
        # A full disk or memory is the machine's trouble, and no reason to drive out runs.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": dict.fromkeys(_EVICTION_SIGNALS, "0%"),
    }
