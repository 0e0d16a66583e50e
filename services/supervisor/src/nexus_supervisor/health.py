"""Entry point: `nexus-supervisor-health`."""

import sys

from nexus_core.web.health import run_health
from nexus_supervisor.settings import SupervisorSettings


def main() -> None:
    """Ask the supervisor of this machine for its health; end with 0 for yes."""
    sys.exit(run_health("nexus-supervisor-health", SupervisorSettings, lambda own: (own.listen,)))


if __name__ == "__main__":
    main()
