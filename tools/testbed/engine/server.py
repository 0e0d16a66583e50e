"""Starting an engine of one's own."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

from tools.testbed.builds import Say
from tools.testbed.engine.client import answers
from tools.testbed.errors import TestbedError
from tools.testbed.kubernetes.node.packages import packages
from tools.testbed.machine import obstacle_to
from tools.testbed.packages import unpacked
from tools.testbed.processes import Process, start, until_ready

# The library is all it needs beside what every Debian has.
_PACKAGES = ("docker.io", "libdevmapper1.02.1")
_READY_SECONDS = 60.0
# Containers that don't end when they are asked to; `down` waits three times as long for the engine.
_STOP_SECONDS = 5
_SETTINGS = "engine.json"
_PIDFILE = "engine.pid"
_PROGRAM = "dockerd"
_DEFAULT_BRIDGE = Path("/sys/class/net/docker0")


class Programs(NamedTuple):
    """Folders that were unpacked."""

    engine: Path
    containers: Path
    """Of containerd and runc."""

    @property
    def client(self) -> str:
        """The client, of the same version."""
        return str(self.engine / "usr/bin/docker")

    @property
    def environment(self) -> dict[str, str]:
        """Where an engine finds its programs, and its library."""
        folders = [
            *(self.engine / "usr/bin", self.engine / "usr/sbin"),
            *(self.containers / "usr/bin", self.containers / "usr/sbin"),
        ]
        libraries = [str(path.parent) for path in self.engine.glob("**/libdevmapper.so.1.02.1")]
        return {
            **os.environ,
            "PATH": ":".join([*map(str, folders), os.environ.get("PATH", os.defpath)]),
            "LD_LIBRARY_PATH": ":".join(libraries),
        }


def obstacle() -> str:
    """Return what stands in the way of an engine, in a clause; empty when nothing is known to."""
    return obstacle_to("an engine of the testbed's own", ("apt-get", "dpkg"))


async def programs(cache: Path, say: Say) -> Programs:
    """Return the programs of an engine, fetched when they are not there.

    Raises:
        TestbedError: They could not be fetched.
    """
    engine = await unpacked(cache, "engine-packages", _PACKAGES, say)
    return Programs(engine, (await packages(cache, say)).folder)


def address(folder: Path) -> str:
    """Return where an engine of a folder answers."""
    return f"unix://{folder}/docker.sock"


async def start_engine(folder: Path, data: Path, parts: Programs) -> Process:
    """Start an engine and wait until it answers.

    Args:
        folder: Where it listens, and keeps its log and what is gone with it.
        data: Where it keeps images and volumes; one engine at a time.
        parts: What it is made of.

    Raises:
        TestbedError: This machine can't have one, or it died or did not answer; names the log.
    """
    if why := obstacle():
        raise TestbedError(why)
    for one in (data, folder):
        one.mkdir(parents=True, exist_ok=True)
    (folder / _SETTINGS).write_text("{}\n")
    _forget_the_dead(data / _PIDFILE)
    process = start("engine", _command(folder, data, parts), folder, parts.environment)

    async def ready() -> bool:
        return answers(address(folder), parts.client)

    await until_ready(process, ready, _READY_SECONDS)
    return process


def _forget_the_dead(file: Path) -> None:
    """Remove the file of an engine that was killed: another process may have its number by now."""
    try:
        if psutil.Process(int(file.read_text("ascii"))).name() != _PROGRAM:
            file.unlink()
    except (OSError, ValueError, psutil.NoSuchProcess):
        file.unlink(missing_ok=True)


def _command(folder: Path, data: Path, parts: Programs) -> Sequence[str]:
    return [
        str(parts.engine / "usr/sbin" / _PROGRAM),
        f"--host={address(folder)}",
        f"--exec-root={folder}/exec",
        f"--data-root={data}",
        # Another one on the same data finds it, and gives way.
        f"--pidfile={data / _PIDFILE}",
        # Instead of the system's, which are another engine's.
        f"--config-file={folder}/{_SETTINGS}",
        # The firewall may be another's. Each network has a bridge of its own.
        "--iptables=false",
        "--ip6tables=false",
        "--ip-masq=false",
        # Told to have no default bridge, an engine deletes what is called so: another's.
        *(() if _DEFAULT_BRIDGE.exists() else ("--bridge=none",)),
        f"--shutdown-timeout={_STOP_SECONDS}",
    ]
