"""Entry point: `nexus-scheduler-health`."""

import sys

from nexus_core.web.health import run_health
from nexus_scheduler.settings import SchedulerSettings


def main() -> None:
    """Ask the scheduler of this machine for its health; end with 0 for yes."""
    sys.exit(run_health("nexus-scheduler-health", SchedulerSettings, lambda own: (own.listen,)))


if __name__ == "__main__":
    main()
