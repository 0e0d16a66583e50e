"""Entry point: `nexus-receiver`."""

import sys

from nexus_core.web.process import run_process
from nexus_receiver.composition import open_deployed_receiver
from nexus_receiver.settings import ReceiverSettings


def main() -> None:
    """Run a receiver; end with its exit code."""
    sys.exit(run_process("nexus-receiver", ReceiverSettings, open_deployed_receiver))


if __name__ == "__main__":
    main()
