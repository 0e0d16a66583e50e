"""Entry point: `nexus-standalone`."""

import sys

from nexus_core.web.process import run_process
from nexus_standalone.composition import open_standalone
from nexus_standalone.settings import StandaloneSettings


def main() -> None:
    """Run standalone; end with its exit code."""
    sys.exit(run_process("nexus-standalone", StandaloneSettings, open_standalone))


if __name__ == "__main__":
    main()
