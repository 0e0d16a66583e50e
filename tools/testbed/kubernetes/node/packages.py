"""The programs of a node, from packages of Debian that are unpacked and not installed."""

from pathlib import Path
from typing import NamedTuple

from tools.testbed.builds import Say
from tools.testbed.packages import unpacked

_PACKAGES = ("containerd", "containernetworking-plugins", "debootstrap", "runc")


class Packages(NamedTuple):
    """Where the programs are."""

    folder: Path

    @property
    def path(self) -> str:
        """Where containerd, its shim, `ctr` and runc are found."""
        return f"{self.folder}/usr/bin:{self.folder}/usr/sbin"

    @property
    def runc(self) -> Path:
        """What starts containers."""
        return self.folder / "usr/sbin/runc"

    @property
    def networks(self) -> Path:
        """The folder of CNI's programs."""
        return self.folder / "usr/lib/cni"

    @property
    def debootstrap(self) -> Path:
        """The script, which needs `debootstrap_folder` as its DEBOOTSTRAP_DIR."""
        return self.folder / "usr/sbin/debootstrap"

    @property
    def debootstrap_folder(self) -> Path:
        """What the script consists of."""
        return self.folder / "usr/share/debootstrap"


async def packages(cache: Path, say: Say) -> Packages:
    """Return the unpacked packages, fetched when they are not there.

    Raises:
        TestbedError: There is no apt, or it could not fetch them.
    """
    return Packages(await unpacked(cache, "node-packages", _PACKAGES, say))
