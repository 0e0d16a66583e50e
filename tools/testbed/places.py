"""Where the testbed keeps things. The only file of it that reads settings."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Self


class Places(NamedTuple):
    """The two folders of a testbed."""

    cache: Path
    """What was built or unpacked, for all testbeds of this user; safe to delete while none runs."""
    run: Path
    """One running testbed: its description, and a folder a server with its data and logs."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Return what `NEXUS_TESTBED_CACHE` and `NEXUS_TESTBED` name, or the defaults."""
        home = environment.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        cache = Path(environment.get("NEXUS_TESTBED_CACHE") or Path(home, "nexus-testbed"))
        run = Path(environment.get("NEXUS_TESTBED") or cache / "run")
        return cls(cache.absolute(), run.absolute())

    @property
    def description(self) -> Path:
        """The file that tells tests where the servers are."""
        return self.run / "testbed.json"

    @property
    def certificates(self) -> Path:
        """The folder of this testbed's certificate authority."""
        return self.run / "certificates"

    def server(self, name: str) -> Path:
        """Return the folder of a running server."""
        return self.run / name
