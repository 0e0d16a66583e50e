"""A Debian in a folder, made of packages: where they come from, and the tool that unpacks them."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from tools.testbed.builds import run
from tools.testbed.errors import TestbedError
from tools.testbed.kubernetes.node.packages import Packages
from tools.testbed.tools import tool

_ASKED_SECONDS = 30.0
# Many times what it takes: whoever waits longer waits for a network that is not there.
_BUILD_SECONDS = 900.0


def mirror() -> tuple[str, str]:
    """Return where this system has its packages from, and its release.

    Raises:
        TestbedError: There is no apt, or it knows no packages.
    """
    told = subprocess.run(  # noqa: S603 - apt of this machine
        [
            *(tool("apt-get", "Debian's apt"), "indextargets"),
            *("--format", "$(SITE) $(CODENAME)", "Identifier: Packages", "Component: main"),
        ],
        capture_output=True,
        text=True,
        timeout=_ASKED_SECONDS,
        check=False,
    )
    found = [line.split() for line in told.stdout.splitlines()]
    # Updates of a release, such as its security, have longer names.
    found.sort(key=lambda parts: len(parts[1]))
    if not found:
        raise TestbedError(f"apt knows no packages: {told.stderr.strip()}")
    site, release = found[0]
    return site, release


async def debootstrap(
    packages: Packages, tree: Path, included: Sequence[str], log: Path, release: str = ""
) -> None:
    """Make a minimal Debian in a folder that is not there yet.

    Args:
        packages: Has the tool.
        tree: The folder.
        included: What is to be there beside what every Debian has.
        log: Where the tool's output goes.
        release: Such as `bookworm`; empty: as this system's.

    Raises:
        TestbedError: It could not be made; names the log.
    """
    site, own = mirror()
    command = [
        *("sh", str(packages.debootstrap), "--variant=minbase", f"--include={','.join(included)}"),
        *(release or own, str(tree), site),
    ]
    folder = {"DEBOOTSTRAP_DIR": str(packages.debootstrap_folder)}
    try:
        await run(command, log, tree.parent, folder, _BUILD_SECONDS)
    except TestbedError as error:
        raise TestbedError(
            f"no image could be made of the packages of {site}; debootstrap's log is {log}"
        ) from error
