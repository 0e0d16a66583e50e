"""A disk that is soon full: a file system of one process' own, which is gone with it."""

import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

_UNSHARE = ("unshare", "--map-root-user", "--mount", "sh", "-c")


class SmallDisk:
    """What is mounted at a folder, for the process that is started by `command` alone."""

    def __init__(self, folder: Path, size: str) -> None:
        """Make the folder; where nobody may mount anything, the test is skipped."""
        folder.mkdir()
        self.folder = folder
        mount = f'mount -t tmpfs -o size={size} tmpfs "$0" && exec "$@"'
        self.command = (*_UNSHARE, mount, str(folder))
        tried = subprocess.run([*self.command, "true"], check=False, capture_output=True)  # noqa: S603 - ours
        if tried.returncode:
            pytest.skip("this machine lets nobody mount a file system of their own")

    def fill(self, pid: int) -> None:
        """Leave no room on the disk of a process."""
        with self._filler(pid).open("wb", buffering=0) as filler, suppress(OSError):
            while True:
                filler.write(bytes(4096))

    def make_room(self, pid: int) -> None:
        """Take away what it was filled with."""
        self._filler(pid).unlink()

    def _filler(self, pid: int) -> Path:
        return Path(f"/proc/{pid}/root{self.folder}/filler")
