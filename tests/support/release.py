"""A release whose commands can be run: this one, or another that was installed."""

import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from support.caller import REPOSITORY, inherited_environment

_VARIABLE = re.compile(r"NEXUS__\w+")


@dataclass(frozen=True)
class InstalledRelease:
    """One with an interpreter of its own."""

    python: Path
    source: Path

    def known(self, settings: Mapping[str, str]) -> dict[str, str]:
        """Return those settings that its reference has: it refuses to start with others."""
        reference = (self.source / "docs/reference/settings.md").read_text("utf-8")
        variables = set(_VARIABLE.findall(reference))
        return {name: value for name, value in settings.items() if name in variables}

    def schema(self, *arguments: str, settings: Mapping[str, str]) -> int:
        """Run its `nexus-schema`; return the exit code."""
        done = subprocess.run(  # noqa: S603 - our own command
            [self.python, "-m", "nexus_schema", *arguments],
            env={**inherited_environment(), **settings},
            check=False,
            timeout=120,
        )
        return done.returncode


THIS_RELEASE = InstalledRelease(Path(sys.executable), REPOSITORY)
