"""What servers leave mounted when they end: an engine, the network namespace of a machine."""

import subprocess
from pathlib import Path

import psutil

from tools.testbed.errors import TestbedError
from tools.testbed.tools import tool


def unmount_below(folder: Path) -> None:
    """Unmount all that is mounted in a folder, so that it can be removed.

    Raises:
        TestbedError: Something is in use.
    """
    points = [Path(part.mountpoint) for part in psutil.disk_partitions(all=True)]
    within = [point for point in points if point.is_relative_to(folder.resolve())]
    # What lies deeper was mounted later.
    for point in sorted(within, reverse=True):
        done = subprocess.run(  # noqa: S603 - a mount of our own
            [tool("umount", "util-linux"), point], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise TestbedError(f"{point} can't be unmounted: {done.stderr.strip()}")
