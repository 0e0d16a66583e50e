"""Whether this machine can have a real node."""

from pathlib import Path

from tools.testbed.machine import CGROUPS, STATUS, obstacle_to

_TOOLS = ("apt-get", "dpkg", "setpriv")


def obstacle(status: Path = STATUS, cgroups: Path = CGROUPS) -> str:
    """Return what stands in the way of a node, in a clause; empty when nothing is known to.

    Args:
        status: What the kernel says of this process.
        cgroups: Where cgroups are made.
    """
    return obstacle_to("a real node", _TOOLS, status, cgroups)
