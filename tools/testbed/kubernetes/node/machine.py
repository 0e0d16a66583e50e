"""Whether this machine can have a real node."""

import os
import platform
import re
import shutil
from pathlib import Path

_TOOLS = ("apt-get", "dpkg", "setpriv")
# To mount, and to make namespaces: CAP_SYS_ADMIN of Linux.
_MOUNTS = 1 << 21
_STATUS = Path("/proc/self/status")
_CGROUPS = Path("/sys/fs/cgroup")


def obstacle(status: Path = _STATUS, cgroups: Path = _CGROUPS) -> str:
    """Return what stands in the way of a node, in a clause; empty when nothing is known to.

    Args:
        status: What the kernel says of this process.
        cgroups: Where cgroups are made.
    """
    if platform.system() != "Linux":
        return "a real node needs Linux"
    if os.geteuid() != 0:
        return "a real node needs root"
    rights = re.search(r"^CapEff:\s*([0-9a-f]+)$", status.read_text(), re.MULTILINE)
    if rights is None or not int(rights[1], 16) & _MOUNTS:
        return "a real node mounts, for which this root has no right (CAP_SYS_ADMIN)"
    if not all(os.access(one, os.W_OK) for one in (cgroups, *cgroups.glob("*/"))):
        return f"a real node makes cgroups, and {cgroups} can't be written to"
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing:
        return f"a real node needs {missing[0]}, as Debian has it"
    return ""
