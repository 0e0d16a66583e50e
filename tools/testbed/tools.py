"""The tools of this machine that building and running servers needs."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tools.testbed.errors import TestbedError

# Debian and Fedora keep every Java here; the one on the path may be another.
_JAVA_HOMES = Path("/usr/lib/jvm")
_ASKED_SECONDS = 30.0


def tool(name: str, needed: str) -> str:
    """Return the path of a tool.

    Args:
        name: The program.
        needed: What to install where it is missing.

    Raises:
        TestbedError: It is missing.
    """
    found = shutil.which(name)
    if found is None:
        raise TestbedError(f"there is no {name} on the path; install {needed}")
    return found


def java(version: int) -> str:
    """Return the path of a Java of this version: of JAVA_HOME, on the path, or of the system.

    Raises:
        TestbedError: There is none.
    """
    for candidate in _javas():
        if _version_of(candidate) == version:
            return candidate
    raise TestbedError(f"there is no Java {version}; install it, or let JAVA_HOME name its folder")


def _javas() -> Iterator[str]:
    if home := os.environ.get("JAVA_HOME"):
        yield f"{home}/bin/java"
    if on_path := shutil.which("java"):
        yield on_path
    yield from sorted(map(str, _JAVA_HOMES.glob("*/bin/java")))


def _version_of(java: str) -> int | None:
    try:
        told = subprocess.run(  # noqa: S603 - a Java of this machine
            [java, "-version"], capture_output=True, text=True, timeout=_ASKED_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r'version "(\d+)', told.stderr)
    return int(found[1]) if found else None
