"""Entry point: `nexus-supervisor`."""

import sys

from nexus_core.web.process import run_process
from nexus_supervisor.composition import open_deployed_supervisor
from nexus_supervisor.settings import SupervisorSettings


def main() -> None:
    """Run a supervisor; end with its exit code."""
    sys.exit(run_process("nexus-supervisor", SupervisorSettings, open_deployed_supervisor))


if __name__ == "__main__":
    main()
