"""The programs of a node, from packages of Debian that are unpacked and not installed."""

import shutil
from pathlib import Path
from typing import NamedTuple

from tools.testbed.builds import Say, built, run
from tools.testbed.errors import TestbedError
from tools.testbed.tools import tool

# Many times what it takes.
_FETCH_SECONDS = 300.0
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

    Their versions are those of the system's release, which keeps no others: none is pinned.

    Raises:
        TestbedError: There is no apt, or it could not fetch them.
    """

    async def fetch(draft: Path) -> None:
        apt, dpkg = tool("apt-get", "Debian's apt"), tool("dpkg", "Debian's dpkg")
        say("fetching containerd and runc")
        log, private = cache / "node-packages.log", draft / "apt"
        (private / "lists").mkdir(parents=True)
        # Lists of its own: those of the system may be old or absent, and are not ours to renew.
        options = [
            *("-o", f"Dir::State::Lists={private / 'lists'}", "-o", f"Dir::Cache={private}"),
            *("-o", "APT::Sandbox::User=root"),
        ]
        try:
            await run([apt, *options, "update"], log, private, seconds=_FETCH_SECONDS)
            await run([apt, *options, "download", *_PACKAGES], log, private, seconds=_FETCH_SECONDS)
        except TestbedError as error:
            raise TestbedError(
                f"apt could not fetch {', '.join(_PACKAGES)}; its log is {log}"
            ) from error
        for package in sorted(private.glob("*.deb")):
            await run([dpkg, "-x", str(package), str(draft)], log, draft)
        shutil.rmtree(private)

    return Packages(await built(cache, "node-packages", "1", fetch, say))
