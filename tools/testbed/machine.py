"""Whether containers can be run on this machine."""

import os
import platform
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

# To mount, and to make namespaces: CAP_SYS_ADMIN of Linux.
_MOUNTS = 1 << 21
STATUS = Path("/proc/self/status")
CGROUPS = Path("/sys/fs/cgroup")


def obstacle_to(
    what: str, tools: Sequence[str], status: Path = STATUS, cgroups: Path = CGROUPS
) -> str:
    """Return what stands in the way of something, in a clause; empty when nothing is known to.

    Args:
        what: It runs containers; begins the clause.
        tools: The programs of Debian that it needs.
        status: What the kernel says of this process.
        cgroups: Where cgroups are made.
    """
    if platform.system() != "Linux":
        return f"{what} needs Linux"
    if os.geteuid() != 0:
        return f"{what} needs root"
    rights = re.search(r"^CapEff:\s*([0-9a-f]+)$", status.read_text(), re.MULTILINE)
    if rights is None or not int(rights[1], 16) & _MOUNTS:
        return f"{what} mounts, for which this root has no right (CAP_SYS_ADMIN)"
    if not all(os.access(one, os.W_OK) for one in (cgroups, *cgroups.glob("*/"))):
        return f"{what} makes cgroups, and {cgroups} can't be written to"
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        return f"{what} needs {missing[0]}, as Debian has it"
    return ""
