"""The programs of a control plane, built from Go modules into the cache."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tools.testbed.builds import Say, built, key_of, run
from tools.testbed.tools import tool

_MODULE = Path(__file__).parent / "programs"
_CONTROL_PLANE = (
    "go.etcd.io/etcd/server/v3",
    "k8s.io/kubernetes/cmd/kube-apiserver",
    "k8s.io/kubernetes/cmd/kube-controller-manager",
    "k8s.io/kubernetes/cmd/kube-scheduler",
    "k8s.io/kubernetes/cmd/kubectl",
    "sigs.k8s.io/kwok/cmd/kwok",
)
_KUBELET = ("k8s.io/kubernetes/cmd/kubelet",)
_VERSION_PACKAGES = ("k8s.io/client-go/pkg/version", "k8s.io/component-base/version")


class Binaries(NamedTuple):
    """Where the programs are."""

    folder: Path

    @property
    def etcd(self) -> str:
        """The server; it comes without its clients."""
        return str(self.folder / "etcd")

    @property
    def apiserver(self) -> str:
        """kube-apiserver."""
        return str(self.folder / "kube-apiserver")

    @property
    def controller_manager(self) -> str:
        """kube-controller-manager."""
        return str(self.folder / "kube-controller-manager")

    @property
    def scheduler(self) -> str:
        """kube-scheduler."""
        return str(self.folder / "kube-scheduler")

    @property
    def kwok(self) -> str:
        """KWOK's controller."""
        return str(self.folder / "kwok")

    @property
    def kubectl(self) -> str:
        """The client of the same version."""
        return str(self.folder / "kubectl")


def version() -> str:
    """Return the version of Kubernetes that is pinned, as `v1.2.3`."""
    pinned = re.search(r"^\s*k8s\.io/kubernetes (v\S+)", _pins().read_text(), re.MULTILINE)
    if pinned is None:
        raise LookupError(f"{_pins()} pins no k8s.io/kubernetes")
    return pinned[1]


async def install(cache: Path, say: Say) -> Binaries:
    """Build the programs of a control plane and KWOK, or find them in the cache.

    Raises:
        TestbedError: There is no Go, or the build failed.
    """

    async def build(draft: Path) -> None:
        say(f"building {version()} from source; ten minutes on two cores, the first time")
        await _build(draft, cache, _CONTROL_PLANE)
        # Go names a program after the last part of its path, and etcd's is `…/server/v3`.
        (draft / "server").rename(draft / "etcd")

    return Binaries(await built(cache, f"kubernetes-{version()}", _key(), build, say))


async def kubelet(cache: Path, say: Say) -> Path:
    """Build the kubelet, or find it in the cache.

    Raises:
        TestbedError: There is no Go, or the build failed.
    """

    async def build(draft: Path) -> None:
        say("building the kubelet from source")
        await _build(draft, cache, _KUBELET)

    return await built(cache, f"kubelet-{version()}", _key(), build, say) / "kubelet"


def link_flags(kubernetes: str) -> str:
    """Return the linker's flags: no symbols, and the version, which an API server must know."""
    major, minor, _ = kubernetes.removeprefix("v").split(".", 2)
    stamps = {
        "gitVersion": kubernetes,
        "gitMajor": major,
        "gitMinor": minor,
        "gitTreeState": "clean",
    }
    stamped = [
        f"-X {package}.{name}={value}"
        for package in _VERSION_PACKAGES
        for name, value in stamps.items()
    ]
    return " ".join(["-s", "-w", *stamped])


async def _build(target: Path, cache: Path, packages: Sequence[str]) -> None:
    await run(
        [
            *(tool("go", "Go 1.26 or newer"), "build", "-trimpath", "-buildvcs=false"),
            *("-ldflags", link_flags(version()), "-o", f"{target}/", *packages),
        ],
        cache / "kubernetes-build.log",
        _MODULE,
        # Nothing here needs C, and so runs wherever it is copied to.
        {"CGO_ENABLED": "0"},
    )


def _key() -> str:
    return key_of(_pins(), _MODULE / "go.sum", link_flags(version()))


def _pins() -> Path:
    return _MODULE / "go.mod"
