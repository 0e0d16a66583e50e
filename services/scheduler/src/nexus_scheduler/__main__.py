"""Entry point: `nexus-scheduler`."""

import sys

from nexus_core.web.process import run_process
from nexus_scheduler.composition import open_deployed_scheduler
from nexus_scheduler.settings import SchedulerSettings


def main() -> None:
    """Run a scheduler; end with its exit code."""
    sys.exit(run_process("nexus-scheduler", SchedulerSettings, open_deployed_scheduler))


if __name__ == "__main__":
    main()
